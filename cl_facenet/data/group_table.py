"""Groups of people or of photos, from a CSV file of the user's own.

The first line names the columns. The first column is `person` (names of people's
folders) or `photo` (PERSON/FILE, as in lists of pairs), every other one a grouping; its
values are the groups. An empty cell, and who is not in the file, is in no group:

    person,gender,born
    Ann_Lee,female,1970s
    Bob_Roe,male,
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cl_facenet.data.folder import natural_order
from cl_facenet.data.names import by_name, canonical
from cl_facenet.errors import InputError

OF = ("person", "photo")
MAX_GROUPS = 20  # of a grouping; more take time and memory, and are no groups
MAX_LENGTH = 60  # of a group's name; a longer one is no name


@dataclass(frozen=True)
class GroupTable:
    """What a file says, as text without spaces around it.

    Attributes:
      name: of the file.
      of: what its rows are of: person or photo.
      groupings: by the name of a column the cells by the name of a person or photo;
        empty ones too.
    """

    name: str
    of: str
    groupings: dict[str, dict[str, str]]

    @property
    def rows(self) -> list[str]:
        """The people or photos in it."""
        return list(next(iter(self.groupings.values())))


@dataclass(frozen=True, eq=False)
class Membership:
    """Which group of one grouping each of some photos is in.

    Attributes:
      names: of the groups, sorted; only those that a photo is in.
      codes: int [N], rows of `names`; -1: of no group.
      num_empty, num_missing: photos whose cell is empty; that have no row.
    """

    names: list[str]
    codes: np.ndarray
    num_empty: int
    num_missing: int


def read_group_table(path: Path) -> GroupTable:
    """Reads a file.

    Raises:
      InputError: it cannot be read, is no such table, or says something twice; it names
        the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name a CSV of groups") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text; save the CSV as UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [
            (reader.line_num, [cell.strip() for cell in row])
            for row in reader
            if any(cell.strip() for cell in row)
        ]
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from error
    header = lines[0][1] if lines else [""]
    _check_header(path, header)
    if len(lines) == 1:
        raise InputError(f"{path}: no {header[0]} in it, only the names of the columns")
    found: dict[str, int] = {}  # lines by canonical names
    for number, row in lines[1:]:
        if len(row) != len(header):
            raise InputError(
                f"{path}, line {number}: {len(row)} cells, where the first line names "
                f"{len(header)} columns"
            )
        if not row[0]:
            raise InputError(f"{path}, line {number}: whose? The first cell is empty")
        first = found.setdefault(canonical(row[0]), number)
        if first != number:
            raise InputError(
                f"{path}, line {number}: {row[0]} is in line {first} already"
            )
    groupings = {
        column: {row[0]: row[place] for _, row in lines[1:]}
        for place, column in enumerate(header)
        if place
    }
    _check_groups(path, groupings)
    return GroupTable(path.name, header[0], groupings)


def members(cells: dict[str, str], whose: Sequence[str]) -> Membership:
    """The groups of photos, by the cells of one grouping.

    Args:
      whose: the person or photo [N] that the cells of each photo are found by.
    """
    find = by_name(cells)
    rows = {name: find(name) for name in set(whose)}
    values = [cells.get(rows[name] or name) for name in whose]
    names = sorted({value for value in values if value}, key=natural_order)
    places = {name: place for place, name in enumerate(names)}
    codes = np.array([places.get(value or "", -1) for value in values], np.int64)
    return Membership(names, codes, values.count(""), values.count(None))


def _check_header(path: Path, header: Sequence[str]) -> None:
    first, *groupings = header
    if first not in OF:
        raise InputError(
            f"{path}: its first column is {first[:40]!r}, not person or photo: begin "
            "with a line like person,gender,age and separate by commas"
        )
    if not groupings:
        raise InputError(f"{path}: no column of groups beside {first}: add one")
    for column in groupings:
        if not column or header.count(column) > 1:
            what = f"two columns {column}" if column else "a column without a name"
            raise InputError(f"{path}: {what}: name each, and each once")


def _check_groups(path: Path, groupings: dict[str, dict[str, str]]) -> None:
    for column, cells in groupings.items():
        groups = set(cells.values()) - {""}
        if not groups:
            raise InputError(f"{path}: all cells of column {column} are empty")
        if len(groups) > MAX_GROUPS:
            raise InputError(
                f"{path}: column {column} has {len(groups):,} groups, over "
                f"{MAX_GROUPS}: join them, as years to decades"
            )
        longest = max(groups, key=len)
        if len(longest) > MAX_LENGTH:
            raise InputError(
                f"{path}: column {column} has a group {longest[:20]!r}... of "
                f"{len(longest):,} letters, over {MAX_LENGTH}: shorten it"
            )
