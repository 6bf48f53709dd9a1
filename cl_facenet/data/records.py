"""Photos prepared once: TFDS array_record files, read at random, no TensorFlow."""

import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from cl_facenet.data.building import FORMAT, build, quiet_tfds, remove_leftovers
from cl_facenet.data.photos import Source
from cl_facenet.data.preprocessing import Prepared, Preprocessing
from cl_facenet.errors import InputError
from cl_facenet.plain_paths import plain_path


@dataclass(frozen=True, eq=False)
class Records:
    """A prepared dataset: photos uint8 [S, S, 3], sorted by person.

    Attributes:
        people: names.
        labels: row in `people` of each photo, int32 [N].
        metadata: source, fingerprint, preprocessing, people, counts (photos of each
            person), skipped (names of unreadable photos left out), faceless (names of
            photos in which no face was found, where one was sought) and ignored
            (names of files that are no photos).
        directory: where they are stored.
        encoded: the stored records, with PNG images.
    """

    people: list[str]
    labels: np.ndarray
    metadata: dict[str, Any]
    directory: Path
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
    source: Source,
    preprocessing: Preprocessing | Prepared,
    *,
    cache_dir: Path,
    skip_unreadable: bool,
) -> Records:
    """Make every photo square and store it, or open what an earlier call stored.

    What is stored is below `cache_dir`, under a name that says all that decides it.
    Arguments and errors are those of `store`.
    """
    settings = [FORMAT, source.fingerprint, preprocessing.describe(), skip_unreadable]
    digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]
    size = preprocessing.image_size
    directory = Path(cache_dir) / f"{source.name}-{size}px-{digest}"
    if not directory.is_dir():
        store(source, directory, preprocessing, skip_unreadable=skip_unreadable)
    return open_records(directory)


def store(
    source: Source,
    directory: Path,
    preprocessing: Preprocessing | Prepared,
    *,
    skip_unreadable: bool,
    extra_files: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """Make every photo square and store all in `directory`.

    It appears, whole, by one rename at the end. A killed call leaves hidden folders
    .preparing-* beside it: the next goes on from them; a day old, any deletes them.

    Args:
        skip_unreadable: leave unreadable photos out, and people who have no other.
        extra_files: what shall lie beside the records, by file name.

    Raises:
        InputError: unreadable photos, or a directory that cannot be written.
    """
    remove_leftovers(directory.parent)
    try:
        build(source, directory, preprocessing, skip_unreadable, extra_files)
    # array_record reports a full disk as RuntimeError.
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{directory.parent}: cannot write the prepared photos ({reason}); free "
            "some space or choose another folder"
        ) from error


def is_prepared(directory: Path) -> bool:
    """Whether records are stored there, rather than photos."""
    return (directory / "dataset_info.json").is_file()


def open_records(directory: Path) -> Records:
    """The records stored in a directory.

    Raises:
        InputError: they are damaged.
    """
    try:
        _check_features(directory)
        with quiet_tfds():
            builder = tfds.builder_from_directory(plain_path(directory))
            split = builder.info.splits["train"]
            encoded = builder.as_data_source(
                "train", decoders={"image": tfds.decode.SkipDecoding()}
            )
        stored = sum(os.path.getsize(path) for path in split.filepaths)
        metadata = dict(builder.info.metadata)
        people, counts = metadata["people"], metadata["counts"]
        if stored != split.num_bytes or sum(counts) != len(encoded):
            raise ValueError("sizes differ")
    except Exception as error:  # its parsers raise what they like
        raise InputError(
            f"{directory}: these prepared photos are damaged; delete the folder and "
            "run again"
        ) from error
    labels = np.repeat(np.arange(len(people), dtype=np.int32), counts)
    return Records(people, labels, metadata, directory, encoded)


def _check_features(directory: Path) -> None:
    """Refuses features of other modules than TFDS's own: it would import them.

    Raises:
        ValueError: there are such.
    """
    stored = json.loads((directory / "features.json").read_text())
    for name in re.findall(r'"([^"]*\.[^"]*)"', json.dumps(stored)):
        if not name.startswith("tensorflow_datasets.core.features."):
            raise ValueError(f"features.json names {name}")
