"""A folder of photos: one sub-folder a person, or all that is below it."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from cl_facenet.data.photos import Photo, Source, open_photo
from cl_facenet.errors import InputError, reason_of

SUFFIXES = (
    *(".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png"),
    *(".pnm", ".ppm", ".tif", ".tiff", ".webp"),
)


# In a folder of photos that were made square before: how.
PREPARED_AS = "preprocessing.json"


def folder_source(path: str | PathLike[str]) -> Source:
    """Return the photos directly in each sub-folder; other files are ignored.

    Files and sub-folders sort naturally: 2.jpg comes before 10.jpg.

    Raises:
        InputError: not a folder, no sub-folder, a sub-folder without a photo, or
            anything that may not be looked at.
    """
    root = Path(path)
    try:
        return _people_of(root)
    except OSError as error:
        raise InputError(
            f"{reason_of(error)}; make it readable, or leave it out"
        ) from error


def _people_of(root: Path) -> Source:
    if not root.exists():
        raise InputError(f"{root}: no such folder; check data.path")
    if not root.is_dir():
        raise InputError(f"{root}: not a folder; give one with a sub-folder a person")
    entries = _visible(root)
    people = [entry for entry in entries if entry.is_dir()]
    if not people:
        found = "photos but no sub-folders" if any(map(is_photo, entries)) else "empty"
        raise InputError(f"{root}: {found}; put each person's photos in a sub-folder")
    digest = hashlib.sha256()
    photos: list[Photo] = []
    ignored = [e.name for e in entries if not e.is_dir() and e.name != PREPARED_AS]
    for person in people:
        inside = _visible(person)
        files = [entry for entry in inside if is_photo(entry)]
        ignored += [f"{person.name}/{e.name}" for e in inside if not is_photo(e)]
        if not files:
            raise InputError(f"{person}: no photos in it; add some or remove it")
        for file in files:
            name = f"{person.name}/{file.name}"
            photos.append(Photo(person.name, name, partial(open_photo, file)))
            digest.update(_identity(file, name))
    return Source(f"folder-{_slug(root)}", photos, digest.hexdigest(), ignored)


def photos_below(path: str | PathLike[str]) -> list[Photo]:
    """All photos in a folder and its sub-folders, by their paths below it, sorted.

    Hidden ones are left out; links to folders are not followed: none leads in circles.

    Raises:
        InputError: no such folder, no photos, or anything that may not be looked at.
    """
    root = Path(path)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder of photos")
    files = [file for file in _files_below(root) if is_photo(file)]
    if not files:
        raise InputError(f"{root}: no photos in it")
    files.sort(key=lambda file: natural_order(file.relative_to(root).as_posix()))
    return [
        Photo(file.parent.name, str(file.relative_to(root)), partial(open_photo, file))
        for file in files
    ]


def _files_below(root: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise InputError(f"{reason_of(error)}; make it readable, or remove it")

    for parent, folders, names in os.walk(root, onerror=refuse):
        folders[:] = [name for name in folders if name[0] != "."]
        yield from (Path(parent, name) for name in names if name[0] != ".")


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


def natural_order(name: str) -> tuple[list[str | int], str]:
    """Sort key that compares runs of digits as numbers: s2 before s10."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def _visible(folder: Path) -> list[Path]:
    entries = [entry for entry in folder.iterdir() if entry.name[0] != "."]
    return sorted(entries, key=lambda entry: natural_order(entry.name))


def is_photo(entry: Path) -> bool:
    """Whether it is named like one; a broken link is, and then cannot be read."""
    return entry.suffix.lower() in SUFFIXES and not entry.is_dir()


def _identity(file: Path, name: str) -> bytes:
    """Return name, size and time of a photo; records hold names as UTF-8."""
    status = file.stat() if file.exists() else file.lstat()
    try:
        return f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{file}: the name is not UTF-8; rename it") from error


def _slug(root: Path) -> str:
    """Make the folder's name safe, and short enough, as part of another's name."""
    return re.sub(r"\W+", "-", root.resolve().name)[:40].strip("-") or "photos"
