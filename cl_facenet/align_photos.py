"""A folder of photos to a folder of aligned ones, with the same sub-folders."""

import json
import os
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from cl_facenet.data.face_report import reported
from cl_facenet.data.folder import PREPARED_AS, photos_below, read_prepared_as
from cl_facenet.data.photos import Photo
from cl_facenet.data.preprocessing import Preprocessing, say
from cl_facenet.data.squares import make_squares
from cl_facenet.errors import InputError
from cl_facenet.progress import bar


def align_photos(
    source: Path, target: Path, preprocessing: Preprocessing, *, skip_unreadable: bool
) -> dict[str, Any]:
    """Writes each photo below `source`, made square, below `target` as PNG.

    `target` gets a preprocessing.json too, by which training and embedding know how
    its photos were made. Interrupted, the same call goes on.

    Returns:
      The number of photos written, and which ones have no face (they are cut where one
      is assumed), several, or a crop largely outside of them, or are unreadable.

    Raises:
      InputError: no photos, an unreadable one, two that would get one name, or a
        target that holds something else, or is inside of the source or around it.
    """
    _check_apart(source, target)
    photos = photos_below(source)
    paths = _targets(photos, target)
    _claim(target, preprocessing)
    names, faces, unreadable = [], [], []
    squares = make_squares(zip(photos, paths, strict=True), preprocessing)
    pairs = zip(photos, squares, strict=True)
    with closing(squares):
        for photo, square in bar(pairs, "Aligning photos", len(photos)):
            if isinstance(square, InputError):
                if not skip_unreadable:
                    raise InputError(f"{square}; --skip-unreadable leaves such out")
                unreadable.append(photo.name)
            else:
                names.append(photo.name)
                faces.append(square.face)
    known = reported(names, faces) | {"unreadable": unreadable}
    return {"num_photos": len(names), **known}


def _check_apart(source: Path, target: Path) -> None:
    """Refuses to write among the photos that are read, or around them."""
    read, written = Path(os.path.realpath(source)), Path(os.path.realpath(target))
    if read.is_relative_to(written) or written.is_relative_to(read):
        raise InputError(f"{target} and {source} overlap: choose a folder beside it")


def _targets(photos: list[Photo], target: Path) -> list[Path]:
    names = [str(Path(photo.name).with_suffix(".png")) for photo in photos]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise InputError(
            f"{len(twice)} photos are named like others but for the ending, as those "
            f"that would become {twice[0]}: rename them"
        )
    return [target / name for name in names]


def _claim(target: Path, preprocessing: Preprocessing) -> None:
    there = read_prepared_as(target)
    if there is not None:
        if there != preprocessing.describe():
            raise InputError(
                f"{target} holds photos prepared as {say(there)}, not as "
                f"{say(preprocessing.describe())}: choose another folder"
            )
    elif target.exists() and any(target.iterdir()):
        raise InputError(f"{target} is not empty: choose another folder")
    else:
        target.mkdir(parents=True, exist_ok=True)
        about = json.dumps(preprocessing.describe(), indent=2) + "\n"
        (target / PREPARED_AS).write_text(about)
