"""The building of records: every photo made square, by TFDS, without TensorFlow."""

import contextlib
import io
import logging
import os
import shutil
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import absl.logging
import tensorflow_datasets as tfds
from PIL import Image
from rich.console import Console
from rich.progress import track

from cl_facenet.data.photos import Photo, Source, fit_square, preprocessing
from cl_facenet.errors import InputError

# To be raised when what is stored changes, so that older copies are not reused.
FORMAT = 2
# TFDS holds one shard in memory while it writes it: about 80 MB at 96 pixels.
_PHOTOS_PER_SHARD = 4096
_PHOTOS_IN_FLIGHT = 64
_UNFINISHED = ".preparing-"  # what the folders of unfinished builds start with
_LEFTOVER_AGE = 24 * 3600  # seconds without a change

_T = TypeVar("_T")
_R = TypeVar("_R")


def build(
    source: Source, image_size: int, directory: Path, skip_unreadable: bool
) -> None:
    """Store every photo of `source`; `directory` appears whole, by one rename."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    metadata = tfds.core.MetadataDict(
        source=source.name,
        fingerprint=source.fingerprint,
        preprocessing=preprocessing(image_size),
        ignored=list(source.ignored),
    )
    with tempfile.TemporaryDirectory(
        prefix=_UNFINISHED, dir=directory.parent
    ) as building:
        examples = _examples(source.photos, image_size, skip_unreadable, metadata)
        builder = Faces(
            examples=examples,
            # One place more than there are photos, so that the last shard runs into
            # the end of `examples`, where its totals and errors are.
            num_shards=len(source.photos) // _PHOTOS_PER_SHARD + 1,
            image_size=image_size,
            metadata=metadata,
            data_dir=building,
            file_format="array_record",
        )
        with quiet_tfds(), contextlib.closing(examples):
            builder.download_and_prepare()
        try:
            os.rename(builder.data_dir, directory)
        except OSError:
            # Another process may have finished first; its records are the same.
            if not directory.is_dir():
                raise


def remove_leftovers(cache_dir: Path) -> None:
    """Delete what killed builds left: unfinished folders unchanged for a day."""
    # Others may finish or delete theirs meanwhile, or not let us look.
    with contextlib.suppress(OSError):
        for folder in cache_dir.glob(f"{_UNFINISHED}*"):
            changes = [path.stat().st_mtime for path in (folder, *folder.rglob("*"))]
            if max(changes) < time.time() - _LEFTOVER_AGE:
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def quiet_tfds() -> Iterator[None]:
    """Keep TFDS's own log lines below warnings away, and only those."""

    def is_wanted(record: logging.LogRecord) -> bool:
        return (
            record.levelno >= logging.WARNING
            or "tensorflow_datasets" not in record.pathname
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
    image_size: int,
    skip_unreadable: bool,
    metadata: dict[str, Any],
) -> Generator[dict[str, Any], None, None]:
    """Yield a record for each readable photo, then add the totals to `metadata`."""
    counts: Counter[str] = Counter()
    unreadable: dict[str, InputError] = {}
    encoded = _map_ahead(partial(_encode, image_size=image_size), photos)
    console = Console(stderr=True)
    shown = track(
        zip(photos, encoded, strict=True),
        "Preparing photos",
        total=len(photos),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    for photo, png in shown:
        if isinstance(png, InputError):
            unreadable[photo.name] = png
        else:
            counts[photo.person] += 1
            yield {"image": png, "person": photo.person, "photo": photo.name}
    if unreadable and not (skip_unreadable and counts):
        way_out = "--config.data.skip_unreadable=True or --skip-unreadable"
        hint = "" if skip_unreadable else f"; {way_out} leaves them out"
        first = next(iter(unreadable.values()))
        raise InputError(
            f"{first} ({len(unreadable)} of {len(photos)} photos are unreadable{hint})"
        )
    metadata.update(
        people=list(counts), counts=list(counts.values()), skipped=list(unreadable)
    )


def _encode(photo: Photo, image_size: int) -> bytes | InputError:
    """Return a photo's PNG bytes, or why there are none."""
    try:
        square = fit_square(photo.read(), image_size)
    except InputError as error:
        return error
    png = io.BytesIO()
    # Level 1 takes half the time of the default and no more room on photos.
    Image.fromarray(square).save(png, "PNG", compress_level=1)
    return png.getvalue()


def _map_ahead(function: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
    """Map on all cores, in order, with a bounded number of items in flight."""
    pending: deque[Future[_R]] = deque()
    pool = ThreadPoolExecutor()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) == _PHOTOS_IN_FLIGHT:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
