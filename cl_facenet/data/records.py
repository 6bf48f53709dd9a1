"""Photos prepared once: TFDS array_record files, read at random, no TensorFlow."""

import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from cl_facenet.data.archive import UNFINISHED
from cl_facenet.data.building import (
    FORMAT,
    NAMES,
    build,
    quiet_tfds,
    remove_leftovers,
)
from cl_facenet.data.photos import Source, reads_heif
from cl_facenet.data.preprocessing import Prepared, Preprocessing, say
from cl_facenet.errors import InputError, NotNowError
from cl_facenet.plain_paths import plain_path

_PARTS = ("dataset_info.json", "features.json", "metadata.json", "*.array_record*")
_AGAIN = "prepare them again in another place (--out, --cache-dir, data.cache_dir)"


@dataclass(frozen=True, eq=False)
class Records:
    """A prepared dataset: photos uint8 [S, S, 3], sorted by person.

    Attributes:
        people: names.
        labels: row in `people` of each photo, int32 [N].
        metadata: format, source, fingerprint, content, preprocessing, people, counts
            (photos of each person), skipped (names of unreadable photos left out),
            faceless (names of photos in which no face was found, where one was sought)
            and ignored (names of what was passed over). Those of early versions have
            neither format nor content.
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
        """The name of every photo, without reading any.

        Raises:
            InputError: the list of names is damaged.
        """
        listed = self.directory / NAMES
        if not listed.is_file():  # records of early versions have none
            return [record["photo"].decode() for record in self.encoded]
        try:
            names = list(json.loads(listed.read_bytes()))
            if len(names) != len(self):
                raise ValueError(f"{len(names)} names of {len(self)} photos")
        except (ValueError, TypeError) as error:
            raise _damaged(self.directory, f"{NAMES}: {error}") from error
        return names


def prepare(
    source: Source,
    preprocessing: Preprocessing | Prepared,
    *,
    cache_dir: Path,
    skip_unreadable: bool,
) -> Records:
    """Make every photo square and store it, or open what an earlier call stored.

    What is stored is below `cache_dir`, under a name that says all that decides it, and
    says so itself. Arguments and errors are those of `store`.
    """
    settings = [FORMAT, source.fingerprint, preprocessing.describe(), skip_unreadable]
    if source.content:
        settings.append(source.content)
    if skip_unreadable and reads_heif():  # which decides what is left out
        settings.append("heif")
    digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]
    size = preprocessing.image_size
    directory = Path(cache_dir) / f"{source.name}-{size}px-{digest}"
    if not directory.is_dir():
        store(source, directory, preprocessing, skip_unreadable=skip_unreadable)
    records = open_records(directory)
    check_made_of(
        records,
        source,
        preprocessing,
        skip_unreadable=skip_unreadable,
        instead="choose another data.cache_dir",
    )
    # What is passed over decides nothing, and may have become more.
    return replace(
        records, metadata=records.metadata | {"ignored": list(source.ignored)}
    )


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
    except (OSError, RuntimeError) as error:
        # array_record reports a full disk as RuntimeError; others have other reasons.
        if isinstance(error, RuntimeError) and UNFINISHED not in str(error):
            raise
        reason = " ".join(str(error).split())
        raise InputError(
            f"{directory.parent}: cannot write the prepared photos ({reason}); free "
            "some space or choose another folder"
        ) from error


def is_prepared(directory: Path) -> bool:
    """Whether records are stored there, or what is left of some, rather than photos."""
    described = all((directory / name).is_file() for name in _PARTS[:2])
    return described or any(directory.glob("*.array_record*"))


def check_made_of(
    records: Records,
    source: Source,
    preprocessing: Preprocessing | Prepared,
    *,
    skip_unreadable: bool,
    instead: str,
) -> None:
    """Refuses records that are not those that `store` would make.

    Args:
        instead: what to do, for the error.

    Raises:
        InputError: they are of another source, of one that has changed, were prepared
            in another way, or leave out photos which are not to be left out.
    """
    there, skipped = records.metadata, records.metadata["skipped"]
    made = preprocessing.describe()
    if there["preprocessing"] != made:
        differ = f"prepared as {say(there['preprocessing'])}, not as {say(made)}"
    elif there["source"] != source.name:
        differ = f"of {there['source']}, not of {source.name}"
    elif _changed(there, source):
        differ = (
            f"of another {source.name}, or of this one before photos were added, "
            "changed or removed"
        )
    elif skipped and not skip_unreadable:
        differ = (
            f"without {len(skipped)} that are unreadable, as {skipped[0]} "
            "(--skip-unreadable takes them so)"
        )
    else:
        return
    raise InputError(
        f"{records.directory} holds photos {differ}: {instead}, for nothing is "
        "written over"
    )


def _changed(there: Mapping[str, Any], source: Source) -> bool:
    if there["fingerprint"] != source.fingerprint:
        return True
    return there.get("content", source.content) != source.content


def open_records(directory: Path) -> Records:
    """The records stored in a directory.

    Raises:
        InputError: there are none, of a later version, or damaged ones.
    """
    _check_parts(directory)
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
        _check_format(directory, metadata.get("format", FORMAT))
        people, counts = metadata["people"], metadata["counts"]
        if stored != split.num_bytes:
            raise ValueError(f"{stored:,} of {split.num_bytes:,} bytes are there")
        if sum(counts) != len(encoded):
            raise ValueError(f"{len(encoded):,} of {sum(counts):,} photos are there")
    except (InputError, MemoryError):
        raise
    except Exception as error:  # its parsers raise what they like
        if isinstance(error, OSError) and error.errno:
            raise NotNowError(
                f"{error.filename or directory}: these prepared photos cannot be read "
                f"now ({error.strerror}): mend that and run again"
            ) from error
        raise _damaged(directory, " ".join(str(error).split())[:200]) from error
    labels = np.repeat(np.arange(len(people), dtype=np.int32), counts)
    return Records(people, labels, metadata, directory, encoded)


def _check_parts(directory: Path) -> None:
    """Refuses a folder that holds no records, or only a part of what they are.

    Raises:
        InputError: so it does; it names what is missing.
    """
    if not directory.is_dir():
        raise InputError(f"{directory}: no such folder of prepared photos")
    missing = [name for name in _PARTS if not any(directory.glob(name))]
    if not is_prepared(directory):
        raise InputError(
            f"{directory} holds no prepared photos: check the path, or make some by "
            "python -m cl_facenet.prepare"
        )
    if missing:
        raise _damaged(directory, f"{', '.join(missing)} missing")


def _check_format(directory: Path, there: int) -> None:
    if there > FORMAT:
        raise InputError(
            f"{directory}: photos prepared by a later version of cl_facenet (format "
            f"{there}, this one reads {FORMAT}): update it, or {_AGAIN}"
        )


def _damaged(directory: Path, why: str) -> InputError:
    return InputError(
        f"{directory}: these prepared photos are damaged ({why}); {_AGAIN}"
    )


def _check_features(directory: Path) -> None:
    """Refuses features of other modules than TFDS's own: it would import them.

    Raises:
        ValueError: there are such.
    """
    stored = json.loads((directory / "features.json").read_text())
    for name in re.findall(r'"([^"]*\.[^"]*)"', json.dumps(stored)):
        if not name.startswith("tensorflow_datasets.core.features."):
            raise ValueError(f"features.json names {name}")
