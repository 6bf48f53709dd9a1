"""Verification errors by groups of people or photos, and whether they differ by chance.

A pair is of a group if both of its photos are in it. All are judged by one threshold.
Of a person of the group and of a pair of theirs, both drawn at random, the false
non-match rate is the probability that the pair is called different; of two people and
photos of theirs the false match rate that they are called the same. So a person counts
once, and two people do: were pairs to count, someone with 50 photos would count for
1,225 people with two. AUC: of the group's pairs alone, with any threshold.

The rest, to which a group is compared, is the pairs inside of any one other group:
strangers of two groups are told apart more easily than strangers of one, so pairs
across groups would make every group look bad.

Intervals are by `bootstrap` over people. It cannot tell how rare an error is that was
never seen, nor trust a handful of people: under MIN_PEOPLE, and where a measure is 0 or
1, there is none.
"""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from cl_facenet.evaluation.bootstrap import PERCENTILES, Interval, tally

MIN_PEOPLE = 10
TINY = 1e-9  # to which sums of weights are exact
MEASURES = ("false_non_match_rate", "false_match_rate", "auc")


@dataclass(frozen=True)
class Measured:
    """A rate or an AUC from 0 to 1; None where there are no pairs to measure it on."""

    value: float | None
    interval: Interval | None
    difference: float | None  # less the rest's
    difference_interval: Interval | None

    def summary(self) -> dict[str, Any]:
        """For a file of JSON."""
        less = self.difference_interval
        return {
            "value": self.value,
            "interval": self.interval and list(self.interval),
            "difference": self.difference,
            "difference_interval": less and list(less),
        }


@dataclass(frozen=True)
class Group:
    """Some pairs, how many and of whom, and the errors on them."""

    num_people: int
    num_photos: int
    num_same_pairs: int
    num_called_different: int  # of these
    num_different_pairs: int
    num_called_same: int  # of these
    false_non_match_rate: Measured
    false_match_rate: Measured
    auc: Measured

    def summary(self) -> dict[str, Any]:
        """For a file of JSON."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return own | {name: own[name].summary() for name in MEASURES}


@dataclass(frozen=True)
class Grouping:
    """One way to group, measured.

    Attributes:
      groups: the pairs of each.
      across: pairs of photos of two groups.
    """

    groups: tuple[Group, ...]
    across: Group
    num_draws: int


def measure_groups(
    distances: np.ndarray,
    accepted: np.ndarray,
    rows: np.ndarray,
    labels: np.ndarray,
    codes: np.ndarray,
    *,
    num_groups: int,
    seed: int,
) -> Grouping:
    """Measures pairs by groups; there must be one whose photos both are in groups.

    Args:
      distances: of the pairs [P].
      accepted: whether each was called the same [P].
      rows: the two photos of each pair, int [P, 2].
      labels: who is on each photo, int [N].
      codes: the group of each photo, int [N], from 0; -1: not stated.
      seed: of the bootstrap.
    """
    stated = (codes[rows] >= 0).all(1)
    distances, accepted, rows = distances[stated], accepted[stated], rows[stated]
    people, (first, second) = labels[rows], codes[rows].T
    same = people[:, 0] == people[:, 1]
    kinds = np.where(first == second, first, num_groups)
    weights = _weights(people, kinds)
    pairs = tally(distances, same, accepted == same, people, kinds, weights)
    sets = _sets(num_groups)[:, : pairs.shape[1]]
    values = _measure(pairs.once(), sets)
    draws = np.stack([_measure(table, sets) for table in pairs.draws(seed=seed)])
    of = [_num_people(people[which], kinds[which], sets) for which in (same, ~same)]
    enough = np.stack([*of, np.minimum(*of)], -1) >= MIN_PEOPLE
    known = enough & (values > TINY) & (values < 1 - TINY)
    found = np.dstack([values, _intervals(draws, known)])

    own, rest = slice(num_groups), slice(num_groups + 1, None)
    differences = draws[:, own] - draws[:, rest]
    less = np.full_like(found[: num_groups + 1], np.nan)  # nothing, of those across
    less[own, :, 0] = values[own] - values[rest]
    less[own, :, 1:] = _intervals(differences, known[own] & known[rest])

    def group(kind: int, photos: np.ndarray) -> Group:
        return Group(
            len(np.unique(labels[photos])),
            int(np.count_nonzero(photos)),
            *_counts(same[kinds == kind], accepted[kinds == kind]),
            *map(_measured, found[kind], less[kind]),
        )

    return Grouping(
        tuple(group(code, codes == code) for code in range(num_groups)),
        group(num_groups, codes >= 0),
        pairs.num_draws,
    )


def _weights(people: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """[P]; of all pairs of a kind and of the same person, or two, they sum up to 1."""
    number = int(people.max()) + 1
    ordered = np.sort(people, 1).astype(np.int64)
    shape = (int(kinds.max()) + 1, number, number)
    whose = np.ravel_multi_index((kinds, *ordered.T), shape)
    _, place, counts = np.unique(whose, return_inverse=True, return_counts=True)
    return 1 / counts[place]


def _sets(num_groups: int) -> np.ndarray:
    """Of which kinds are each group, the pairs across, each rest: [2 G + 1, G + 1]."""
    groups = np.eye(num_groups, num_groups + 1)
    across = np.eye(1, num_groups + 1, num_groups)
    return np.concatenate([groups, across, 1 - groups - across])


def _counts(same: np.ndarray, accepted: np.ndarray) -> tuple[int, int, int, int]:
    """Same pairs, of these called different, different pairs, of these called same."""
    mated, strangers = accepted[same], accepted[~same]
    wrong = int(np.count_nonzero(~mated)), int(np.count_nonzero(strangers))
    return len(mated), wrong[0], len(strangers), wrong[1]


def _measure(table: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """MEASURES [S, 3] of sets [S, K] of the kinds of a tally's table [R, K, 2, 2].

    nan where there are no pairs for one.
    """
    called = np.tensordot(sets, table.sum(0), 1)  # [S, right, same]
    curve = np.tensordot(sets, table.sum(2), (1, 1))  # [S, R, same]
    different, same = np.moveaxis(curve, -1, 0)
    # Straight from each point of the ROC to the next, so that ties count a half.
    area = np.sum(different * (same.cumsum(1) - same / 2), 1)
    different, same = different.sum(1), same.sum(1)
    errors = [called[:, 0, 1], called[:, 0, 0], area]
    all_pairs = [same, different, same * different]
    none = np.full((len(errors), len(sets)), np.nan)
    return np.divide(errors, all_pairs, out=none, where=np.array(all_pairs) > 0).T


def _num_people(
    identities: np.ndarray, kinds: np.ndarray, sets: np.ndarray
) -> np.ndarray:
    """Of how many people the pairs [P, 2] in each of the sets [S, K] are: int [S]."""
    present = np.zeros((sets.shape[1], identities.max(initial=0) + 1))
    present[kinds, identities.T] = 1
    return np.count_nonzero(sets @ present, axis=1)


def _intervals(draws: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Of draws [D, S, M] the intervals [S, M, 2]; nan where they are not `known`.

    A draw that left no pairs for a measure says nothing of it.
    """
    intervals = np.full((*known.shape, 2), np.nan)
    if known.any():
        low_high = np.nanpercentile(draws[:, known], PERCENTILES, axis=0)
        intervals[known] = low_high.T
    return intervals


def _measured(found: np.ndarray, less: np.ndarray) -> Measured:
    """Of values and the ends of their intervals, [3] each; nan is None."""

    def parts(numbers: np.ndarray) -> tuple[float | None, Interval | None]:
        value, low, high = numbers.tolist()
        return (
            None if math.isnan(value) else value,
            None if math.isnan(low) else (low, high),
        )

    return Measured(*parts(found), *parts(less))
