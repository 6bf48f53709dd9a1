"""From the data section of a config to photos: their records, and who is trained on."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from cl_facenet.data.composites import Composites, draw_composites, face_masks
from cl_facenet.data.folder import folder_source, read_prepared_as
from cl_facenet.data.lfw_splits import lfw_split
from cl_facenet.data.orl import orl_source
from cl_facenet.data.preprocessing import ALIGN, Prepared, Preprocessing
from cl_facenet.data.records import (
    Records,
    is_prepared,
    open_records,
    prepare,
)
from cl_facenet.data.splits import Split, split_people
from cl_facenet.data.synthetic import synthetic_source
from cl_facenet.errors import InputError, UsageError
from cl_facenet.paths import local_path
from cl_facenet.user_cache import default_cache_dir


def build_data(config: ConfigDict) -> tuple[Records, Split]:
    """The config's photos as records, and who of them is trained on."""
    data = config.data
    records = _build_records(config)
    settings = {
        "heldout_share": data.heldout_share,
        "min_photos": data.min_photos,
        "max_photos": data.max_photos,
        "seed": config.seed,
    }
    if data.name == "lfw":
        split = lfw_split(records, data.lfw.protocol, **settings)
    else:
        split = split_people(
            records.labels,
            records.people,
            verification_share=data.verification_share,
            **settings,
        )
    split.check()
    if data.composites.people:
        split = replace(split, composites=_draw_composites(config, records, split))
    found = len(split.train_people)
    if data.num_classes not in (None, found):
        raise InputError(
            f"data.num_classes is {data.num_classes}, but the data has {found} people "
            "to train on: leave it out"
        )
    return records, split


def _draw_composites(config: ConfigDict, records: Records, split: Split) -> Composites:
    prepared_as = records.metadata["preprocessing"]
    return draw_composites(
        split.train_indices,
        split.train_labels,
        num_people=config.data.composites.people,
        photos_each=config.data.composites.photos,
        masks=face_masks(prepared_as["align"], prepared_as["image_size"]),
        seed=config.seed,
    )


def _build_records(config: ConfigDict) -> Records:
    data, folder = config.data, local_path(config.data.path, "data.path")
    if data.name == "lfw":
        return open_lfw(cache_dir(config), data.align, data.image_size)
    if data.name == "folder" and is_prepared(folder):
        if data.skip_unreadable:
            raise UsageError(
                f"data.skip_unreadable is True: {folder} holds prepared photos, which "
                "are all readable; leave it out"
            )
        records = open_records(folder)
        prepared_as = records.metadata["preprocessing"]
        _check_prepared(folder, prepared_as, data.align, data.image_size)
        return records
    sources = {
        "orl": lambda: orl_source(),
        "folder": lambda: folder_source(folder),
        "synthetic": lambda: synthetic_source(**data.synthetic, seed=config.seed),
    }
    prepared_as = read_prepared_as(folder) if data.name == "folder" else None
    if prepared_as:
        _check_prepared(folder, prepared_as, data.align, data.image_size)
    return prepare(
        sources[data.name](),
        Prepared(prepared_as)
        if prepared_as
        else Preprocessing(data.align or "none", data.image_size),
        cache_dir=cache_dir(config),
        skip_unreadable=data.skip_unreadable,
    )


def cache_dir(config: ConfigDict) -> Path:
    """Where prepared records are kept."""
    own = config.data.cache_dir
    return local_path(own, "data.cache_dir") if own else default_cache_dir()


def lfw_directory(cache_dir: Path, preprocessing: Preprocessing) -> Path:
    """Where `prepare lfw` puts Labeled Faces in the Wild."""
    return cache_dir / f"lfw-{preprocessing.align}-{preprocessing.image_size}px"


def open_lfw(cache_dir: Path, align: str | None, image_size: int) -> Records:
    """Labeled Faces in the Wild as it was prepared; align None: in the one way it was.

    Raises:
      InputError: it was not, or in several ways; it says what to type.
    """
    wanted = ALIGN if align is None else (align,)
    there = [
        name
        for name in wanted
        if is_prepared(lfw_directory(cache_dir, Preprocessing(name, image_size)))
    ]
    if len(there) > 1:
        raise InputError(
            f"LFW is prepared with align {' and '.join(there)}: choose one, as in "
            f"--config.data.align={there[-1]}"
        )
    if not there:
        how = f" --align={align}" if align else " [--align=dlib]"
        size = f" --image-size={image_size}" if image_size != 96 else ""
        if cache_dir != default_cache_dir():
            size += f" --cache-dir={shlex.quote(str(cache_dir))}"
        raise InputError(
            f"LFW is not prepared in {cache_dir}: python -m cl_facenet.prepare lfw"
            f"{how}{size} downloads and prepares it, with --source=DIR_OR_ARCHIVE from "
            "your own copy"
        )
    directory = lfw_directory(cache_dir, Preprocessing(there[0], image_size))
    records = open_records(directory)
    prepared_as = records.metadata["preprocessing"]
    _check_prepared(directory, prepared_as, there[0], image_size)
    return records


def _check_prepared(
    folder: Path, prepared_as: dict[str, Any], align: str | None, image_size: int
) -> None:
    for name, wanted in (("image_size", image_size), ("align", align)):
        if wanted not in (None, prepared_as[name]):
            raise InputError(
                f"{folder} holds photos prepared with {name} {prepared_as[name]}, "
                f"data.{name} is {wanted}: change it, or prepare them again"
            )


def data_identity(records: Records) -> dict[str, Any]:
    """What says which photos these are, and how they were made square."""
    return {
        name: records.metadata[name]
        for name in ("source", "fingerprint", "content", "preprocessing")
        if name in records.metadata  # records of early versions have no content
    }


def check_data(trained_on: dict[str, Any], records: Records) -> None:
    """Refuses photos that are not those that a checkpoint was trained on.

    Others would give other people the same labels, and might put people trained on
    into the verification pairs.

    Raises:
      InputError: so it is; what differs is named, there and here.
    """
    for name, value in data_identity(records).items():
        if trained_on.get(name, value) != value:
            raise InputError(
                f"the photos have changed since this run began ({name} was "
                f"{trained_on[name]}, is {value}): bring them back, or choose "
                "another --workdir"
            )
