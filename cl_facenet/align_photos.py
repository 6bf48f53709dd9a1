"""A folder of photos to a folder of aligned ones, with the same sub-folders."""

import json
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from cl_facenet.data.face_report import reported
from cl_facenet.data.folder import (
    ALIGNED_FROM,
    PREPARED_AS,
    photos_below,
    read_prepared_as,
)
from cl_facenet.data.image_files import without_ending
from cl_facenet.data.photos import Photo
from cl_facenet.data.preprocessing import Preprocessing, say
from cl_facenet.data.squares import make_squares
from cl_facenet.data.walk import walk
from cl_facenet.errors import InputError
from cl_facenet.lock import lock
from cl_facenet.progress import bar
from cl_facenet.whole_files import check_apart, write_whole

_LOCK = ".aligning.lock"


def align_photos(
    source: Path, target: Path, preprocessing: Preprocessing, *, skip_unreadable: bool
) -> dict[str, Any]:
    """Writes each photo below `source`, made square, below `target` as PNG.

    `target` gets a preprocessing.json too, by which training and embedding know how
    its photos were made, and says of which, so that the same call goes on after an
    interruption and another does not.

    Returns:
      The number of photos written, and which ones have no face (they are cut where one
      is assumed), several, or a crop largely outside of them, are unreadable, or were
      passed over, as no photos.

    Raises:
      InputError: no photos, an unreadable one, two that would get one name, or a
        target that holds something else, or is inside of the source or around it, or
        that another process is aligning into.
    """
    check_apart(source, target)
    if read_prepared_as(source):
        raise InputError(
            f"{source} holds photos that were made square before, as its {PREPARED_AS} "
            "says: align the originals"
        )
    below = photos_below(source)
    photos = below.photos
    crops = _names(photos)
    paths = [target / name for name in crops]
    names, faces, unreadable = [], [], []
    squares = make_squares(zip(photos, paths, strict=True), preprocessing)
    pairs = zip(photos, squares, strict=True)
    target.mkdir(parents=True, exist_ok=True)
    with lock(target / _LOCK, doing=f"aligning into {target}"), closing(squares):
        _claim(target, preprocessing, source, dict(zip(crops, photos, strict=True)))
        for photo, square in bar(pairs, "Aligning photos", len(photos)):
            if isinstance(square, InputError):
                if not skip_unreadable:
                    raise InputError(f"{square}; --skip-unreadable leaves such out")
                unreadable.append(photo.name)
            else:
                names.append(photo.name)
                faces.append(square.face)
    left_out = {"unreadable": unreadable, "passed_over": below.passed_over}
    return {"num_photos": len(names), **reported(names, faces), **left_out}


def _names(photos: list[Photo]) -> list[str]:
    """Those of the squares."""
    names = [f"{without_ending(photo.name)}.png" for photo in photos]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise InputError(
            f"{len(twice)} photos are named like others but for the ending, as those "
            f"that would become {twice[0]}: rename them"
        )
    return names


def _claim(
    target: Path, preprocessing: Preprocessing, source: Path, photos: dict[str, Photo]
) -> None:
    """Makes the target that of these photos, by the names of their squares.

    Raises:
      InputError: it holds others, or squares that were made in another way.
    """
    there = read_prepared_as(target)
    if there is not None:
        if there != preprocessing.describe():
            raise InputError(
                f"{target} holds photos prepared as {say(there)}, not as "
                f"{say(preprocessing.describe())}: choose another folder"
            )
        _check_made_of(target, source, photos)
    elif any(path.name != _LOCK for path in target.iterdir()):
        raise InputError(f"{target} is not empty: choose another folder")
    else:
        about = json.dumps(preprocessing.describe(), indent=2) + "\n"
        write_whole(target / PREPARED_AS, about.encode())
    made_of = {name: photo.known_as for name, photo in photos.items()}
    write_whole(target / ALIGNED_FROM, json.dumps(made_of, indent=0).encode())


def _check_made_of(target: Path, source: Path, photos: dict[str, Photo]) -> None:
    """Refuses squares that are not of these photos as they are now.

    Raises:
      InputError: there are such; it names the first.
    """
    about = target / ALIGNED_FROM
    try:
        made_of = json.loads(about.read_bytes()) if about.is_file() else {}
        known = {name: made_of[name] for name in made_of}
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"{about} is damaged ({error}): align into another folder"
        ) from error
    for square in walk(target).photos:
        photo = photos.get(square.name)
        if photo is None or known.get(square.name) != photo.known_as:
            raise InputError(
                f"{target} holds {square.name}, which is not known to be made of a "
                f"photo that {source} has now: align into another folder"
            )
