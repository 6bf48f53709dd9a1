"""Lists of people and of pairs of photos, in the format of LFW."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cl_facenet.data.names import canonical
from cl_facenet.errors import InputError

_INCOMPLETE = "it is incomplete or was changed"


@dataclass(frozen=True, eq=False)
class PairList:
    """Pairs of photos, in the order of their file.

    Attributes:
        photos: names of both photos of each pair.
        same: whether they are of one person, bool [P].
        folds: int [P], from 0; all 0 where the file has no folds.
        lines: of the file, from 1, where each pair is, int [P].
    """

    photos: list[tuple[str, str]]
    same: np.ndarray
    folds: np.ndarray
    lines: np.ndarray


def read_pairs(text: str, name: str = "pairs.txt") -> PairList:
    r"""The pairs of a file in one of two formats, fields separated by tabs.

    LFW's own: a line `FOLDS\tN`, or `N` for one fold, then for each fold N lines
    `PERSON\tI\tJ`, the same person, and N lines `PERSON\tI\tPERSON\tJ`, different
    people; photo I is PERSON/PERSON_000I.jpg.

    The plain one: lines `PHOTO\tPHOTO\tsame` or `PHOTO\tPHOTO\tdifferent`, no folds.

    Args:
        name: of the file, for errors.

    Raises:
        InputError: a malformed line, a photo beside itself or a pair that is there
            already, with the line's number; or not as many as announced.
    """
    lines = list(_lines(text))
    match lines:
        case [(_, [count]), *rest] if _is_number(count):
            pairs = _read_lfw_pairs(rest, 1, int(count), name)
        case [(_, [folds, count]), *rest] if _is_number(folds) and _is_number(count):
            pairs = _read_lfw_pairs(rest, int(folds), int(count), name)
        case _:
            pairs = _read_plain_pairs(lines, name)
    _check_worth(pairs, name)
    return pairs


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
    seen: set[str] = set()
    for number, fields in lines[1:] if in_sets else lines:
        match fields:
            case [count] if _is_number(count):
                announced.append(int(count))
                sets.append({})
            case [person, count] if sets and _is_number(count):
                if canonical(person) in seen:
                    raise InputError(f"{name}, line {number}: {person} is there twice")
                seen.add(canonical(person))
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
                if canonical(a) == canonical(b):
                    raise InputError(
                        f"{name}, line {number}: two photos of {a} among the pairs of "
                        "different people: take the line out, or mend its names"
                    )
                photos.append((_photo(a, i), _photo(b, j)))
            case _:
                expected = "PERSON, I, J" if are_same else "PERSON, I, PERSON, J"
                raise _malformed(name, number, expected)
    folds = np.repeat(np.arange(num_folds), 2 * count)
    return PairList(photos, same, folds, np.array([number for number, _ in lines]))


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
    places = np.array([number for number, _ in lines])
    return PairList(photos, np.array(same), np.zeros(len(same), np.int64), places)


def _check_worth(pairs: PairList, name: str) -> None:
    """Raises InputError for pairs that would make a score better than it is.

    A photo beside itself is always the same person; a pair that is there twice, either
    way round, may be in the folds of a threshold and in the one it is used on.
    """
    earlier: dict[frozenset[str], int] = {}
    for place, photos in enumerate(pairs.photos):
        line, both = f"{name}, line {pairs.lines[place]}", set(map(canonical, photos))
        if len(both) == 1:
            raise InputError(
                f"{line}: {photos[0]} beside itself tells nothing: take the line out"
            )
        first = earlier.setdefault(frozenset(both), place)
        if first != place:
            differ = pairs.same[first] != pairs.same[place]
            raise InputError(
                f"{line}: {' and '.join(photos)} are in line {pairs.lines[first]} "
                f"already{', with another answer' if differ else ''}: keep one of the "
                "two"
            )


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yields each line's number, from 1, and its fields.

    Blanks around fields, at the ends of lines and below the last one say nothing.
    """
    for number, line in enumerate(text.rstrip().splitlines(), start=1):
        yield number, [field.strip() for field in line.rstrip().split("\t")]


def _photo(person: str, number: str) -> str:
    return f"{person}/{person}_{int(number):04d}.jpg"


def _is_number(field: str) -> bool:
    return re.fullmatch("[0-9]+", field) is not None


def _malformed(name: str, number: int, expected: str) -> InputError:
    return InputError(f"{name}, line {number}: expected {expected}, separated by tabs")
