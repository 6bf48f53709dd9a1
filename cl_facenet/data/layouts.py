"""Folders that are not a sub-folder an identity, by what they plainly are instead.

Whoever took them for that would train on a person named "train", or on one of 200,000
photos.
"""

import re
from collections import Counter
from collections.abc import Container
from pathlib import Path

from cl_facenet.data.image_files import without_ending
from cl_facenet.data.names import canonical, say_some
from cl_facenet.data.walk import PhotoFile, Walked
from cl_facenet.errors import InputError

# What the parts of a data set are called: by themselves, or as a word of a name.
_SPLITS = {
    *("train", "training", "val", "valid", "validation", "dev", "devel", "test"),
    *("testing", "eval", "evaluation", "holdout", "heldout", "unseen", "probe"),
    *("probes", "gallery", "query", "queries", "split", "splits", "fold", "folds"),
    *("set", "sets", "subset", "part", "parts", "batch", "batches", "shard", "chunk"),
    *("trainset", "testset", "valset", "devset", "minitrain", "minival", "pretrain"),
    *("finetune", "heldouts", "trn", "tst", "tr", "ts"),
}
_MOST_LISTS = 20  # files beside the photos, that are looked at
_MANY = 20  # folders in each of an identity's that are more likely identities
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
    if len(tops) + bool(loose) <= 2:
        _check_list(root, walked)
    if not loose:
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
    words = {top: _words(top) for top in tops}
    named = [top for top in tops if words[top] and words[top] <= _SPLITS]
    nested = [top for top in tops if all("/" in rest for rest in tops[top])]
    splits = [top for top in named if top in nested]
    if 2 * len(splits) < len(tops):  # somebody is called Val
        splits = []
    deeper = any("/" in rest for rests in tops.values() for rest in rests)
    if len(named) == len(tops) and (deeper or len(tops) > 1):
        splits = named
    elif len(tops) > 1 and all(top in nested and words[top] & _SPLITS for top in tops):
        splits = list(tops)  # lfw_train, lfw_test
    if splits:
        one = next((top for top in splits if "train" in top.casefold()), splits[0])
        raise InputError(
            f"{root}: one folder a split ({say_some(splits)}), not one an identity: "
            f"give one of them, as {root / one}, or put the folders of all "
            "identities into one; if they are identities, rename the folders"
        )


def _words(name: str) -> set[str]:
    """Of letters; digits, blanks and signs part them, and a capital behind others."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return set(re.findall(r"[^\W\d_]+", parted.casefold()))


def _check_deeper(root: Path, tops: dict[str, list[str]]) -> None:
    """Refuses one folder that holds folders, or some that hold many each."""
    inside = {
        (top, rest.partition("/")[0] if "/" in rest else None)
        for top, rests in tops.items()
        for rest in rests
    }
    below = [name for _, name in inside]
    if None in below or len(set(below)) < len(below):
        return
    if len(below) > 1 and (len(tops) == 1 or len(below) >= _MANY * len(tops)):
        top = next(iter(tops))
        raise InputError(
            f"{root}: all photos are in {len(below):,} folders below "
            f"{say_some([*tops])}: if those are the identities, give {root / top}; if "
            "not, put a photo right into a folder of one of these"
        )


def _check_list(root: Path, walked: Walked) -> None:
    """Refuses photos of one folder that a list beside them gives to several people."""
    folders: dict[str, set[str]] = {}  # of photos by their names, as lists have them
    for photo in walked.photos:
        top = photo.name.partition("/")[0] if "/" in photo.name else ""
        folders.setdefault(_listed_as(photo.name), set()).add(top)
    files = [name for name in walked.passed_over if (root / name).is_file()]
    for name in files[:_MOST_LISTS]:
        lines = _lines(root / name)
        for place in (0, -1):  # behind the name, or in front of it an index
            owners: dict[str, Counter[str]] = {}
            for line in lines:
                photo_name, others = _cells(line, folders)
                if photo_name and others and len(folders[photo_name]) == 1:
                    (top,) = folders[photo_name]
                    owners.setdefault(top, Counter())[others[place]] += 1
            if any(1 < len(own) < own.total() for own in owners.values()):
                raise InputError(
                    f"{root}: all photos are in one folder, and {name} says who is on "
                    "which: put each identity's photos in a sub-folder of its own"
                )


def _lines(path: Path) -> list[str]:
    with path.open("rb") as file:
        content = file.read(_LIST_BYTES)
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    return content.decode("utf-16" if wide else "utf-8", errors="replace").splitlines()


def _listed_as(path: str) -> str:
    """A photo's name without folders, ending and capitals."""
    return without_ending(re.split(r"[/\\]", path)[-1]).casefold()


def _cells(line: str, photos: Container[str]) -> tuple[str | None, list[str]]:
    """The photo that a line of a list is of, if it is of one, and its other cells."""
    cells = [cell.strip("\"'[]{}:") for cell in re.split(r"[\s,;]+", line.strip())]
    own = [cell for cell in cells if _listed_as(cell) in photos]
    others = [cell for cell in cells if cell and cell not in own]
    return (_listed_as(own[0]) if len(own) == 1 else None), others
