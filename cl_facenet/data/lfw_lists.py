"""Lists of people and of pairs of photos, in the format of LFW."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cl_facenet.errors import InputError

_INCOMPLETE = "it is incomplete or was changed"


@dataclass(frozen=True, eq=False)
class PairList:
    """Pairs of photos, in the order of their file.

    Attributes:
        photos: names of both photos of each pair.
        same: whether they are of one person, bool [P].
        folds: int [P], from 0; all 0 where the file has no folds.
    """

    photos: list[tuple[str, str]]
    same: np.ndarray
    folds: np.ndarray


def read_pairs(text: str, name: str = "pairs.txt") -> PairList:
    r"""The pairs of a file in one of two formats, fields separated by tabs.

    LFW's own: a line `FOLDS\tN`, or `N` for one fold, then for each fold N lines
    `PERSON\tI\tJ`, the same person, and N lines `PERSON\tI\tPERSON\tJ`, different
    people; photo I is PERSON/PERSON_000I.jpg.

    The plain one: lines `PHOTO\tPHOTO\tsame` or `PHOTO\tPHOTO\tdifferent`, no folds.

    Args:
        name: of the file, for errors.

    Raises:
        InputError: a malformed line, with its number, or not as many as announced.
    """
    lines = list(_lines(text))
    match lines:
        case [(_, [count]), *rest] if _is_number(count):
            return _read_lfw_pairs(rest, 1, int(count), name)
        case [(_, [folds, count]), *rest] if _is_number(folds) and _is_number(count):
            return _read_lfw_pairs(rest, int(folds), int(count), name)
    return _read_plain_pairs(lines, name)


def read_people(text: str, name: str = "people.txt") -> list[dict[str, int]]:
    r"""The sets of people in a file of LFW: names and numbers of photos.

    One set is a line `N` and N lines `PERSON\tPHOTOS`; several are preceded by a line
    with their number.

    Args:
        name: of the file, for errors.

    Raises:
        InputError: a malformed line, with its number, or not as many as announced.
    """
    lines = list(_lines(text))
    in_sets = len(lines) > 1 and len(lines[1][1]) == 1
    announced: list[int] = []
    sets: list[dict[str, int]] = []
    for number, fields in lines[1:] if in_sets else lines:
        match fields:
            case [count] if _is_number(count):
                announced.append(int(count))
                sets.append({})
            case [person, count] if sets and _is_number(count):
                if any(person in others for others in sets):
                    raise InputError(f"{name}, line {number}: {person} is there twice")
                sets[-1][person] = int(count)
            case _:
                raise _malformed(name, number, "PERSON, PHOTOS")
    found = [len(people) for people in sets]
    if not sets or found != announced or (in_sets and lines[0][1] != [str(len(sets))]):
        raise InputError(
            f"{name}: {sum(found):,} people in {len(sets)} sets, which is not what it "
            f"announces: {_INCOMPLETE}"
        )
    return sets


def _read_lfw_pairs(
    lines: list[tuple[int, list[str]]], num_folds: int, count: int, name: str
) -> PairList:
    if not lines or len(lines) != num_folds * 2 * count:
        raise InputError(
            f"{name}: {len(lines):,} pairs, where its first line announces {num_folds} "
            f"x ({count:,} same + {count:,} different): {_INCOMPLETE}"
        )
    same = np.tile(np.repeat([True, False], count), num_folds)
    photos = []
    for (number, fields), are_same in zip(lines, same, strict=True):
        match fields:
            case [person, i, j] if are_same and _is_number(i) and _is_number(j):
                photos.append((_photo(person, i), _photo(person, j)))
            case [a, i, b, j] if not are_same and _is_number(i) and _is_number(j):
                photos.append((_photo(a, i), _photo(b, j)))
            case _:
                expected = "PERSON, I, J" if are_same else "PERSON, I, PERSON, J"
                raise _malformed(name, number, expected)
    return PairList(photos, same, np.repeat(np.arange(num_folds), 2 * count))


def _read_plain_pairs(lines: list[tuple[int, list[str]]], name: str) -> PairList:
    photos, same = [], []
    for number, fields in lines:
        match fields:
            case [left, right, ("same" | "different") as answer]:
                photos.append((left, right))
                same.append(answer == "same")
            case _:
                raise _malformed(name, number, "PHOTO, PHOTO, same or different")
    if not photos:
        raise InputError(f"{name}: no pairs in it")
    return PairList(photos, np.array(same), np.zeros(len(same), np.int64))


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yields each line's number, from 1, and its fields."""
    for number, line in enumerate(text.splitlines(), start=1):
        yield number, line.split("\t")


def _photo(person: str, number: str) -> str:
    return f"{person}/{person}_{int(number):04d}.jpg"


def _is_number(field: str) -> bool:
    return re.fullmatch("[0-9]+", field) is not None


def _malformed(name: str, number: int, expected: str) -> InputError:
    return InputError(f"{name}, line {number}: expected {expected}, separated by tabs")
