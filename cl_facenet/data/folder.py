"""A folder of photos: one sub-folder an identity, or all that is below it."""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from cl_facenet.data.layouts import check_layout, check_names, check_shared
from cl_facenet.data.names import say_some
from cl_facenet.data.photos import Photo, Source, open_photo
from cl_facenet.data.walk import (
    PhotoFile,
    Walked,
    cannot_look,
    identity_of,
    walk,
)
from cl_facenet.errors import InputError

# In a folder of photos that were made square before: how, and of which.
PREPARED_AS = "preprocessing.json"
ALIGNED_FROM = "aligned_from.json"


@dataclass(frozen=True)
class PhotosBelow:
    """All photos below a folder, sorted, and names of what is passed over there."""

    photos: list[Photo]
    passed_over: list[str]


def folder_source(path: str | PathLike[str]) -> Source:
    """The photos below each sub-folder, which is an identity's, at any depth.

    `walk` says what a photo is, where links lead and what is passed over. Photos beside
    the sub-folders are nobody's and passed over, too. All sorts naturally: 2.jpg comes
    before 10.jpg.

    Raises:
        InputError: not a folder, fewer than two identities, one without a photo, two of
            one name or with one photo, another layout, or anything that may not be
            looked at.
    """
    root = Path(path)
    walked = _walk(root)
    loose = [photo.name for photo in walked.photos if "/" not in photo.name]
    photos = [photo for photo in walked.photos if "/" in photo.name]
    check_layout(root, walked)
    _check_identities(root, walked, photos)
    check_names(root, walked.folders)
    check_shared(root, photos)
    _check_text(root, photos)
    return Source(
        f"folder-{_slug(root)}",
        [_photo(root, photo) for photo in photos],
        _fingerprint(photos),
        [*loose, *walked.passed_over],
        hashlib.sha256(b"".join(photo.sample for photo in photos)).hexdigest(),
    )


def photos_below(path: str | PathLike[str]) -> PhotosBelow:
    """All photos in a folder and its sub-folders, by their paths below it, sorted.

    What links name twice is there once.

    Raises:
        InputError: no such folder, no photos, or anything that may not be looked at.
    """
    root = Path(path)
    walked = _photos_in(root)
    first: dict[str, PhotoFile] = {}
    again = [p.name for p in walked.photos if first.setdefault(p.real, p) is not p]
    photos = [_photo(root, photo) for photo in first.values()]
    return PhotosBelow(photos, [*again, *walked.passed_over])


def gallery_photos(path: str | PathLike[str]) -> PhotosBelow:
    """Photos of known people: below a sub-folder of each, or named by them.

    Raises:
        InputError: as `photos_below`; two people with one photo, or another layout.
    """
    root = Path(path)
    walked = _photos_in(root)
    check_layout(root, walked)
    check_shared(root, walked.photos)
    with_photos = {identity_of(photo.name) for photo in walked.photos}
    empty = [f"{name}/" for name in walked.folders if name not in with_photos]
    photos = [_photo(root, photo) for photo in walked.photos]
    return PhotosBelow(photos, [*empty, *walked.passed_over])


def _walk(root: Path) -> Walked:
    """What is below a folder, but for what we put there."""
    try:
        there, is_folder = root.exists(), root.is_dir()
    except OSError as error:
        raise cannot_look(error) from error
    if not there:
        raise InputError(f"{root}: no such folder; check the path")
    if not is_folder:
        raise InputError(
            f"{root}: not a folder; give one of photos (python -m cl_facenet.prepare "
            "folder reads archives)"
        )
    walked = walk(root)
    _check_not_beside_prepared(root, walked)
    ours = (PREPARED_AS, ALIGNED_FROM)
    passed_over = [name for name in walked.passed_over if name not in ours]
    return replace(walked, passed_over=passed_over)


def _check_not_beside_prepared(root: Path, walked: Walked) -> None:
    """Refuses photos some of which were made square before: they would be so twice."""
    for name in walked.passed_over:
        folder, _, file = name.rpartition("/")
        if folder and file == PREPARED_AS and _is_prepared_as(root / folder):
            raise InputError(
                f"{root / folder} holds photos that were made square before: give it "
                "by itself, or move it elsewhere"
            )


def _is_prepared_as(folder: Path) -> bool:
    try:
        return read_prepared_as(folder) is not None
    except InputError:  # a file of somebody else's
        return False


def _photos_in(root: Path) -> Walked:
    walked = _walk(root)
    if not walked.photos:
        raise InputError(f"{root}: no photos in it{_but(walked.passed_over)}")
    return walked


def _check_identities(root: Path, walked: Walked, owned: list[PhotoFile]) -> None:
    """Refuses what nobody could be trained on, or a folder nobody's photos are in."""
    if not walked.folders:
        found = "photos but no sub-folders" if walked.photos else "empty"
        raise InputError(f"{root}: {found}; put each person's photos in a sub-folder")
    with_photos = {identity_of(photo.name) for photo in owned}
    for name in walked.folders:
        if name not in with_photos:
            inside = [n for n in walked.passed_over if n.startswith(f"{name}/")]
            raise InputError(
                f"{root / name}: no photos in it{_but(inside)}; add some, or move it "
                "elsewhere"
            )
    if len(with_photos) == 1:
        raise InputError(
            f"{root}: one identity, {walked.folders[0]}, and training takes two: give "
            "a folder with a sub-folder for each"
        )
    if (loose := len(walked.photos) - len(owned)) > len(owned):
        raise InputError(
            f"{root}: {loose} photos lie beside its sub-folders, which have "
            f"{len(owned)}: put each person's photos in a sub-folder"
        )


def _but(passed_over: list[str]) -> str:
    others = [name for name in passed_over if not name.endswith("/")]
    return f", but {say_some(others, 3)}" if others else ""


def _photo(root: Path, photo: PhotoFile) -> Photo:
    path = os.path.join(root, photo.name)
    read = partial(open_photo, path)
    return Photo(identity_of(photo.name), photo.name, read, photo.known_as)


def _fingerprint(photos: Iterable[PhotoFile]) -> str:
    """Of names, sizes and times."""
    digest = hashlib.sha256()
    for photo in photos:
        line = f"{photo.name}\0{photo.size}\0{photo.mtime_ns}\n"
        digest.update(line.encode())
    return digest.hexdigest()


def _check_text(root: Path, photos: Iterable[PhotoFile]) -> None:
    """Records hold names as UTF-8."""
    for photo in photos:
        if not _is_text(photo.name):
            raise InputError(f"{root / photo.name}: the name is not UTF-8; rename it")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_prepared_as(path: str | PathLike[str]) -> dict[str, Any] | None:
    """How the photos of a folder were made square, if it says that they were.

    Raises:
        InputError: what it says cannot be read.
    """
    about = Path(path) / PREPARED_AS
    if not about.is_file():
        return None
    try:
        prepared_as = dict(json.loads(about.read_text()))
        if int(prepared_as["image_size"]) < 1 or prepared_as["align"] != str(
            prepared_as["align"]
        ):
            raise ValueError("image_size and align")
    # Of JSON that is nested too deeply, too.
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise InputError(
            f"{about} is damaged ({error}): align the photos again"
        ) from error
    return prepared_as


def _slug(root: Path) -> str:
    """Make the folder's name safe, and short enough, as part of another's name."""
    return re.sub(r"\W+", "-", root.resolve().name)[:40].strip("-") or "photos"
