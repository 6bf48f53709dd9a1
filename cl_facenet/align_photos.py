"""A folder of photos to a folder of aligned ones, with the same sub-folders."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from cl_facenet.data.folder import (
    PREPARED_AS,
    is_photo,
    natural_order,
    read_prepared_as,
)
from cl_facenet.data.photos import Photo, open_photo
from cl_facenet.data.preprocessing import Preprocessing, say
from cl_facenet.data.squares import make_squares
from cl_facenet.errors import InputError, reason_of


def align_photos(
    source: Path, target: Path, preprocessing: Preprocessing, *, skip_unreadable: bool
) -> dict[str, Any]:
    """Writes each photo below `source`, made square, below `target` as PNG.

    `target` gets a preprocessing.json too, by which training and embedding know how
    its photos were made. Interrupted, the same call goes on.

    Returns:
      The number of photos written, and the names of those in which no face was found
      (they are cut where one is assumed) and of unreadable ones.

    Raises:
      InputError: no photos, an unreadable one, two that would get one name, or a
        target that holds something else.
    """
    photos = _photos(source)
    paths = _targets(photos, target)
    _claim(target, preprocessing)
    faceless, unreadable = [], []
    squares = make_squares(zip(photos, paths, strict=True), preprocessing)
    console = Console(stderr=True)
    with closing(squares):
        for photo, square in track(
            zip(photos, squares, strict=True),
            "Aligning photos",
            total=len(photos),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        ):
            if isinstance(square, InputError):
                if not skip_unreadable:
                    raise InputError(f"{square}; --skip-unreadable leaves such out")
                unreadable.append(photo.name)
            elif not square.found:
                faceless.append(photo.name)
    num_photos = len(photos) - len(unreadable)
    return {"num_photos": num_photos, "no_face": faceless, "unreadable": unreadable}


def _photos(source: Path) -> list[Photo]:
    if not source.is_dir():
        raise InputError(f"{source}: no such folder of photos")
    files = [path for path in _files_below(source) if is_photo(path)]
    if not files:
        raise InputError(f"{source}: no photos in it")
    files.sort(key=lambda path: natural_order(path.relative_to(source).as_posix()))
    return [
        Photo(
            file.parent.name, str(file.relative_to(source)), partial(open_photo, file)
        )
        for file in files
    ]


def _files_below(source: Path) -> Iterator[Path]:
    """All but hidden ones; links to folders are not followed, so none leads in circles.

    Raises:
      InputError: a folder may not be looked at.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"{reason_of(error)}; make it readable, or remove it")

    for parent, folders, names in os.walk(source, onerror=refuse):
        folders[:] = [name for name in folders if name[0] != "."]
        yield from (Path(parent, name) for name in names if name[0] != ".")


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
