"""Photos prepared once: TFDS array_record files, read at random, no TensorFlow."""

import contextlib
import hashlib
import io
import json
import logging
import os
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import absl.logging
import numpy as np
import tensorflow_datasets as tfds
from PIL import Image
from rich.console import Console
from rich.progress import track

from cl_facenet.data.photos import Photo, Source, fit_square, preprocessing
from cl_facenet.errors import InputError

# To be raised when what is stored changes, so that older copies are not reused.
_FORMAT = 1
# TFDS holds one shard in memory while it writes it: about 80 MB at 96 pixels.
_PHOTOS_PER_SHARD = 4096
_PHOTOS_IN_FLIGHT = 64

_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True, eq=False)
class Records:
    """A prepared dataset: photos uint8 [S, S, 3], sorted by person.

    Attributes:
        people: names.
        labels: row in `people` of each photo, int32 [N].
        metadata: source, fingerprint, preprocessing, people, counts (photos of each
            person) and skipped (names of unreadable photos left out).
        encoded: the stored records, with PNG images.
    """

    people: list[str]
    labels: np.ndarray
    metadata: dict[str, Any]
    encoded: Sequence[dict[str, bytes]] = field(repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int) -> np.ndarray:
        """Decode one photo: uint8 [S, S, 3]."""
        with Image.open(io.BytesIO(self.encoded[index]["image"])) as image:
            return np.array(image)

    def images(self, indices: Iterable[int]) -> np.ndarray:
        """Decode some photos: uint8 [n, S, S, 3]."""
        size = self.metadata["preprocessing"]["image_size"]
        decoded = [self.image(index) for index in indices]
        return np.array(decoded, np.uint8).reshape(-1, size, size, 3)

    def names(self) -> list[str]:
        """Return the name of every photo, decoding none."""
        return [record["photo"].decode() for record in self.encoded]


def prepare(
    source: Source, *, image_size: int, cache_dir: Path, skip_unreadable: bool
) -> Records:
    """Fit every photo to a square and store it, or open what an earlier call stored.

    The folder below `cache_dir` appears, whole, by one rename at the end; a killed
    call leaves at most a hidden .preparing-* folder, which is safe to delete.

    Args:
        image_size: side of the stored photos, in pixels.
        skip_unreadable: leave unreadable photos out, and people who have no other.

    Raises:
        InputError: unreadable photos, damaged records, or a `cache_dir` that cannot
            be written.
    """
    settings = [_FORMAT, source.fingerprint, preprocessing(image_size), skip_unreadable]
    digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]
    directory = Path(cache_dir) / f"{source.name}-{image_size}px-{digest}"
    if not directory.is_dir():
        try:
            _build(source, image_size, directory, skip_unreadable)
        # array_record reports a full disk as RuntimeError.
        except (OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{cache_dir}: cannot write the prepared photos ({reason}); free some "
                "space or choose another folder"
            ) from error
    return _open(directory)


def _build(
    source: Source, image_size: int, directory: Path, skip_unreadable: bool
) -> None:
    directory.parent.mkdir(parents=True, exist_ok=True)
    metadata = tfds.core.MetadataDict(
        source=source.name,
        fingerprint=source.fingerprint,
        preprocessing=preprocessing(image_size),
    )
    with tempfile.TemporaryDirectory(
        prefix=".preparing-", dir=directory.parent
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
        with _quiet_tfds(), contextlib.closing(examples):
            builder.download_and_prepare()
        try:
            os.rename(builder.data_dir, directory)
        except OSError:
            # Another process may have finished first; its records are the same.
            if not directory.is_dir():
                raise


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
        hint = (
            "" if skip_unreadable else "; --config.data.skip_unreadable=True skips them"
        )
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


def _open(directory: Path) -> Records:
    try:
        with _quiet_tfds():
            builder = tfds.builder_from_directory(directory)
            split = builder.info.splits["train"]
            encoded = builder.as_data_source(
                "train", decoders={"image": tfds.decode.SkipDecoding()}
            )
        stored = sum(os.path.getsize(path) for path in split.filepaths)
        metadata = dict(builder.info.metadata)
        people, counts = metadata["people"], metadata["counts"]
        if stored != split.num_bytes or sum(counts) != len(encoded):
            raise ValueError("sizes differ")
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"{directory}: these prepared photos are damaged; delete the folder and "
            "run again"
        ) from error
    labels = np.repeat(np.arange(len(people), dtype=np.int32), counts)
    return Records(people, labels, metadata, encoded)


@contextlib.contextmanager
def _quiet_tfds() -> Iterator[None]:
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
