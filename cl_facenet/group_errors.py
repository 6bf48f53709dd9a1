"""Errors of a model by the groups of a user's table, on people it never saw.

On all pairs of photos of those people: a protocol's own pairs, some thousand, are few
when they are parted by groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cl_facenet.data.group_table import GroupTable, Membership, members
from cl_facenet.data.names import by_name
from cl_facenet.data.pairs import MAX_PAIRS
from cl_facenet.data.records import Records
from cl_facenet.errors import InputError
from cl_facenet.evaluation.groups import MIN_PEOPLE, Grouping, measure_groups
from cl_facenet.evaluation.verification import squared_distances
from cl_facenet.progress import bar


@dataclass(frozen=True, eq=False)
class Crowd:
    """All photos of the people that a protocol tests on, and their groups.

    Attributes:
      sets: rows of records, int [n], of each set; pairs are made inside of sets.
      labels: who is on each of the photos, of one set after the other, int [N].
      groupings: by name, which groups they are in.
      num_unknown: people or photos of the table who are none of these.
    """

    table: GroupTable
    sets: list[np.ndarray]
    labels: np.ndarray
    groupings: dict[str, Membership]
    num_unknown: int


def gather(
    table: GroupTable, records: Records, people: Sequence[Sequence[str]]
) -> Crowd:
    """Looks the people of some sets up in the records and in the table.

    Raises:
      InputError: nobody in the table is one of them, a column leaves no pair, somebody
        has no photos, or the pairs are too many.
    """
    numbers = {name: number for number, name in enumerate(records.people)}
    lost = sorted({name for own in people for name in own} - set(numbers))
    if lost:
        raise InputError(f"there are no photos of {lost[0]} ({len(lost)} people)")
    sets = [
        np.flatnonzero(np.isin(records.labels, [numbers[name] for name in own]))
        for own in people
    ]
    num_pairs = sum(len(rows) * (len(rows) - 1) // 2 for rows in sets)
    if num_pairs > MAX_PAIRS:
        raise InputError(
            f"groups would be measured on all {num_pairs:,} pairs of photos of the "
            f"people tested on, over {MAX_PAIRS:,}: test on fewer people"
        )
    rows = np.concatenate(sets)
    labels = records.labels[rows]
    names = records.people if table.of == "person" else records.names()
    whose = [names[place] for place in (labels if table.of == "person" else rows)]
    find = by_name(table.rows)
    unknown = set(table.rows) - {find(name) for name in set(whose)}
    if len(unknown) == len(table.rows):
        raise InputError(
            f"{table.name}: none of its {len(table.rows):,} rows is of a {table.of} "
            f"tested on: they are called like {whose[0]}, not {table.rows[0]}"
        )
    groupings = {name: members(cells, whose) for name, cells in table.groupings.items()}
    for name, own in groupings.items():
        parts = np.split(own.codes >= 0, np.cumsum([len(rows) for rows in sets])[:-1])
        if max(map(np.count_nonzero, parts)) < 2:
            raise InputError(
                f"{table.name}: of those tested on column {name} states a group of "
                f"{sum(map(np.count_nonzero, parts))} photos: no pair"
            )
    return Crowd(table, sets, labels, groupings, len(unknown))


def measure(
    crowd: Crowd, vectors: Sequence[np.ndarray], thresholds: Sequence[float]
) -> dict[str, Any]:
    """Measures each grouping.

    Args:
      vectors: of the photos of each set [n, D].
      thresholds: squared distance of each set; below it photos are called the same.

    Returns:
      The `groups` object of what `cl-facenet evaluate --groups --json` prints.
    """
    rows, distances, accepted, start = [], [], [], 0
    for own, threshold in zip(vectors, thresholds, strict=True):
        inside = np.stack(np.triu_indices(len(own), k=1), axis=-1)
        rows.append(start + inside)
        distances.append(squared_distances(own, inside))
        accepted.append(distances[-1] < threshold)
        start += len(own)
    everything = [np.concatenate(parts) for parts in (distances, accepted, rows)]

    def grouped(codes: np.ndarray, num_groups: int) -> Grouping:
        pairs = (*everything, crowd.labels, codes)
        return measure_groups(*pairs, num_groups=num_groups, seed=0)

    overall = grouped(np.zeros_like(crowd.labels), 1)
    named = crowd.groupings.items()
    return {
        "file": crowd.table.name,
        "of": crowd.table.of,
        "num_unknown": crowd.num_unknown,
        "overall": overall.groups[0].summary(),
        "groupings": {
            name: _summary(own, grouped(own.codes, len(own.names)))
            for name, own in bar(named, "Measuring groups", len(named))
        },
        "num_draws": overall.num_draws,
        "min_people": MIN_PEOPLE,
    }


def _summary(membership: Membership, measured: Grouping) -> dict[str, Any]:
    names, groups = membership.names, measured.groups
    return {
        "groups": {n: g.summary() for n, g in zip(names, groups, strict=True)},
        "across_groups": measured.across.summary(),
        "num_photos_empty": membership.num_empty,
        "num_photos_missing": membership.num_missing,
    }
