"""Folders that are not a sub-folder an identity, by what they plainly are instead.

Whoever took them for that would train on a person named "train", or on one of 200,000
photos.
"""

import os
import re
from collections import Counter
from pathlib import Path

from cl_facenet.data.names import canonical
from cl_facenet.data.walk import PhotoFile, Walked, say_some
from cl_facenet.errors import InputError

# What the parts of a data set are called: by themselves, or as a word of a name.
_SPLITS = {
    *("train", "training", "val", "valid", "validation", "dev", "devel", "test"),
    *("testing", "eval", "evaluation", "holdout", "heldout", "unseen", "probe"),
    *("probes", "gallery", "query", "queries", "split", "splits", "fold", "folds"),
    *("set", "sets", "subset", "part", "parts", "batch", "batches", "shard", "chunk"),
}
_LIST_ENDINGS = (".txt", ".csv", ".tsv", ".lst", ".list")
_LIST_BYTES = 1 << 16  # of a list, that are looked at


def check_layout(root: Path, walked: Walked) -> None:
    """Refuses what plainly is not a sub-folder an identity.

    That is: a folder a split, identities one level deeper, or all photos in one folder
    beside a list of who is on which.

    Raises:
        InputError: so it is; it says what it is and what to do.
    """
    tops: dict[str, list[str]] = {}
    for photo in walked.photos:
        top, _, rest = photo.name.partition("/")
        tops.setdefault(top if rest else "", []).append(rest or top)
    loose = tops.pop("", [])
    _check_splits(root, tops)
    if len(tops) + bool(loose) < 2:
        _check_list(root, walked)
    if len(tops) == 1 and not loose:
        _check_deeper(root, tops)


def check_shared(root: Path, photos: list[PhotoFile]) -> None:
    """Refuses a photo that links make two identities'.

    Raises:
        InputError: so they do; it names both.
    """
    first: dict[str, PhotoFile] = {}
    for photo in photos:
        other = first.setdefault(photo.real, photo)
        if other is not photo:
            raise InputError(
                f"{root}: {other.name} and {photo.name} are one photo, by a link: of "
                "whom is it? Leave one of them out"
            )


def check_names(root: Path, names: list[str]) -> None:
    """Refuses folders whose names are one: José in two encodings, or a blank behind.

    Raises:
        InputError: so they are; it names both.
    """
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(canonical(name), name)
        if other != name:
            raise InputError(
                f"{root}: {other!a} and {name!a} are two folders of one "
                "name: put the photos in one, or give two people two names"
            )


def _check_splits(root: Path, tops: dict[str, list[str]]) -> None:
    deeper = [
        top
        for top, rests in tops.items()
        if _words(top) & _SPLITS and all("/" in rest for rest in rests)
    ]
    named = [top for top in tops if _words(top) and _words(top) <= _SPLITS]
    if deeper or (len(named) == len(tops) > 1):
        splits = deeper or named
        raise InputError(
            f"{root}: one folder a split ({say_some(splits)}), not one an identity: "
            f"give one of them, as {root / splits[0]}, or put the folders of all "
            "identities into one"
        )


def _words(name: str) -> set[str]:
    """Of letters; digits, blanks and signs part them."""
    return set(re.findall(r"[^\W\d_]+", name.casefold()))


def _check_deeper(root: Path, tops: dict[str, list[str]]) -> None:
    ((top, rests),) = tops.items()
    inside = {rest.partition("/")[0] for rest in rests if "/" in rest}
    if len(inside) > 1 and all("/" in rest for rest in rests):
        raise InputError(
            f"{root}: one folder, {top}, and in it {len(inside)} with photos: if they "
            f"are the identities, give {root / top}; if all is of {top}, put photos "
            "right into that folder"
        )


def _check_list(root: Path, walked: Walked) -> None:
    """Photos of one folder that a list beside them gives to several identities."""
    photos = {os.path.basename(photo.name) for photo in walked.photos}
    for name in walked.passed_over:
        if not name.lower().endswith(_LIST_ENDINGS):
            continue
        with (root / name).open("rb") as file:
            lines = file.read(_LIST_BYTES).decode(errors="replace").splitlines()
        rows = [re.split(r"[\s,;]+", line.strip()) for line in lines]
        owners = Counter(row[1] for row in rows if row[0] in photos and len(row) > 1)
        if 1 < len(owners) < owners.total():
            raise InputError(
                f"{root}: all photos are in one folder, and {name} says who is on "
                "which: put each identity's photos in a sub-folder of its own"
            )
