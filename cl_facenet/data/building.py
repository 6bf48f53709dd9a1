"""The building of records: square photos into TFDS files, without TensorFlow."""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import (
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import absl.logging
import tensorflow_datasets as tfds
from rich.console import Console
from rich.progress import track

from cl_facenet.data.archive import UNFINISHED
from cl_facenet.data.photos import Photo, Source
from cl_facenet.data.preprocessing import Prepared, Preprocessing
from cl_facenet.data.squares import Encoded, make_squares
from cl_facenet.errors import InputError
from cl_facenet.plain_paths import plain_path

# To be raised when what is stored changes, so that older copies are not reused.
FORMAT = 3
NAMES = "names.json"  # of all photos, in order: each record's own is behind its pixels
# TFDS holds one shard in memory while it writes it: about 80 MB at 96 pixels.
_PHOTOS_PER_SHARD = 4096
_LEFTOVER_AGE = 24 * 3600  # seconds without a change


def build(
    source: Source,
    directory: Path,
    preprocessing: Preprocessing | Prepared,
    skip_unreadable: bool,
    extra_files: Mapping[str, bytes],
) -> None:
    """Store every photo of `source`; `directory` appears whole, by one rename.

    Killed, it leaves what it has made square for the next call to go on from.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    metadata = tfds.core.MetadataDict(
        format=FORMAT,
        source=source.name,
        fingerprint=source.fingerprint,
        content=source.content,
        preprocessing=preprocessing.describe(),
        ignored=list(source.ignored),
    )
    squares = _squares_folder(source, preprocessing, directory.parent)
    try:
        files = (squares / f"{place}.png" for place in range(len(source.photos)))
        photos = zip(source.photos, files, strict=True)
        encoded = make_squares(photos, preprocessing)
        names: list[str] = []
        examples = _examples(source.photos, encoded, skip_unreadable, metadata, names)
        with closing(encoded), closing(examples):
            _write(examples, names, source, directory, metadata, extra_files)
    except Exception:  # but not when interrupted
        shutil.rmtree(squares, ignore_errors=True)
        raise
    shutil.rmtree(squares, ignore_errors=True)


def _write(
    examples: Iterator[dict[str, Any]],
    names: Sequence[str],
    source: Source,
    directory: Path,
    metadata: tfds.core.MetadataDict,
    extra_files: Mapping[str, bytes],
) -> None:
    with tempfile.TemporaryDirectory(
        prefix=UNFINISHED, dir=directory.parent
    ) as building:
        builder = Faces(
            examples=examples,
            # One place more than there are photos, so that the last shard runs into
            # the end of `examples`, where its totals and errors are.
            num_shards=len(source.photos) // _PHOTOS_PER_SHARD + 1,
            image_size=metadata["preprocessing"]["image_size"],
            metadata=metadata,
            data_dir=str(plain_path(Path(building))),
            file_format="array_record",
        )
        with quiet_tfds():
            builder.download_and_prepare()
        in_order = {NAMES: json.dumps(names).encode()}
        for name, content in (in_order | dict(extra_files)).items():
            Path(builder.data_dir, name).write_bytes(content)
        try:
            os.rename(builder.data_dir, directory)
        except OSError:
            # Another process may have finished first; its records are the same.
            if not directory.is_dir():
                raise


def _squares_folder(
    source: Source, preprocessing: Preprocessing | Prepared, parent: Path
) -> Path:
    """Named by all that decides its content, so that no other build goes on from it."""
    made_of = [source.fingerprint, source.content]
    decisive = [FORMAT, *made_of, preprocessing.describe()]
    digest = hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:12]
    return parent / f"{UNFINISHED}squares-{digest}"


def remove_leftovers(cache_dir: Path) -> None:
    """Delete what killed builds left: unfinished folders unchanged for a day."""
    # Others may finish or delete theirs meanwhile, or not let us look.
    with contextlib.suppress(OSError):
        for folder in cache_dir.glob(f"{UNFINISHED}*"):
            changes = [path.stat().st_mtime for path in (folder, *folder.rglob("*"))]
            if max(changes) < time.time() - _LEFTOVER_AGE:
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def quiet_tfds() -> Iterator[None]:
    """Keep TFDS's own log lines below warnings away, of this thread and only those."""
    here = threading.get_ident()

    def is_wanted(record: logging.LogRecord) -> bool:
        return (
            record.levelno >= logging.WARNING
            or "tensorflow_datasets" not in record.pathname
            or record.thread != here
        )

    logger = absl.logging.get_absl_logger()
    logger.addFilter(is_wanted)
    try:
        yield
    finally:
        logger.removeFilter(is_wanted)


class _LocalInfo(tfds.core.DatasetInfo):
    """Information about a dataset that nobody publishes."""

    def initialize_from_bucket(self) -> None:
        """Do not look for it online; TFDS leaves a temporary folder at every look."""


class Faces(  # type: ignore[call-arg]
    tfds.core.ShardBasedBuilder, skip_registration=True
):
    """Writes examples, in the order they come, to TFDS array_record files.

    Not a GeneratorBasedBuilder: that one collects up to 1 GB in memory and needs
    TensorFlow for more.
    """

    VERSION = tfds.core.Version("1.0.0")
    # Nothing is downloaded, so TFDS need not look for checksums beside this file,
    # which takes importlib_resources, a package it does not declare.
    code_path = None

    def __init__(
        self,
        *,
        examples: Iterator[dict[str, Any]],
        num_shards: int,
        image_size: int,
        metadata: tfds.core.MetadataDict,
        **kwargs: Any,
    ) -> None:
        self._examples = examples
        self._num_shards = num_shards
        self._image_size = image_size
        self._metadata = metadata
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        shape = (self._image_size, self._image_size, 3)
        return _LocalInfo(
            builder=self,
            description="Face photos, sorted by person.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=shape, encoding_format="png"),
                    "person": tfds.features.Text(),
                    "photo": tfds.features.Text(),
                }
            ),
            disable_shuffling=True,
            metadata=self._metadata,
        )

    def _shard_iterators_per_split(
        self, dl_manager: Any
    ) -> dict[str, list[Callable[[], Iterator[tuple[int, dict[str, Any]]]]]]:
        def shard() -> Iterator[tuple[int, dict[str, Any]]]:
            return enumerate(islice(self._examples, _PHOTOS_PER_SHARD))

        return {"train": [shard] * self._num_shards}

    def _log_download_bytes(self) -> None:
        """Print nothing: there is a progress bar of our own."""

    def _log_download_done(self) -> None:
        """Print nothing."""


def _examples(
    photos: Sequence[Photo],
    encoded: Iterable[Encoded | InputError],
    skip_unreadable: bool,
    metadata: dict[str, Any],
    names: list[str],
) -> Generator[dict[str, Any], None, None]:
    """Yield a record for each readable photo, whose name goes to `names`.

    Then add the totals to `metadata`.
    """
    counts: Counter[str] = Counter()
    unreadable: dict[str, InputError] = {}
    faceless: list[str] = []
    console = Console(stderr=True)
    shown = track(
        zip(photos, encoded, strict=True),
        "Preparing photos",
        total=len(photos),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    for photo, square in shown:
        if isinstance(square, InputError):
            unreadable[photo.name] = square
            continue
        if not square.found:
            faceless.append(photo.name)
        counts[photo.person] += 1
        names.append(photo.name)
        yield {"image": square.png, "person": photo.person, "photo": photo.name}
    if unreadable and not (skip_unreadable and counts):
        way_out = "--config.data.skip_unreadable=True or --skip-unreadable"
        hint = "" if skip_unreadable else f"; {way_out} leaves them out"
        first = next(iter(unreadable.values()))
        raise InputError(
            f"{first} ({len(unreadable)} of {len(photos)} photos are unreadable{hint})"
        )
    metadata.update(
        people=list(counts),
        counts=list(counts.values()),
        skipped=list(unreadable),
        faceless=faceless,
    )
