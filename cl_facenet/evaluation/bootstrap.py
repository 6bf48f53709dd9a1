"""How sure a score is: the measures again, on people drawn anew from the same people.

Pairs are no independent draws: all pairs of a person who is hard are hard. So it is
people who are drawn, as many as there are, with replacement, and the interval is from
the 2.5th to the 97.5th percentile of what is measured on many such draws (B. Efron and
R. J. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). Where person a
came m_a times, a pair of a alone counts m_a times and a pair of a and b m_a m_b times;
copies of a person make no pairs with one another.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import auc

from cl_facenet.evaluation.roc import (
    FALSE_ACCEPT_RATES,
    equal_error_rate,
    true_accept_rates,
)

PERCENTILES = (2.5, 97.5)
NUM_DRAWS, MIN_DRAWS = 1_000, 200
# Draws times pairs, half a minute or so: 1,000 draws up to four million pairs, then
# fewer, down to 200 from twenty million on.
MAX_WEIGHTS = 4_000_000_000
# Pairs at a time, and draws: a line of the cache for each pair, and all of them in it.
CHUNK, DRAWS_AT_ONCE = 4_096, 8

Interval = tuple[float, float]


@dataclass(frozen=True)
class Intervals:
    """95 % confidence intervals of the fields of a Verification of the same names."""

    accuracy_mean: Interval
    auc: Interval
    eer: Interval
    tar_at_far: dict[float, Interval | None]
    num_draws: int

    def summary(self) -> dict[str, Any]:
        """The `intervals` object of results.json."""
        return {
            "accuracy_mean": list(self.accuracy_mean),
            "auc": list(self.auc),
            "eer": list(self.eer),
            "tar_at_far": {
                str(far): interval and list(interval)
                for far, interval in self.tar_at_far.items()
            },
            "num_draws": self.num_draws,
        }


@dataclass(frozen=True)
class Tally:
    """Pairs to be counted by where they are on the ROC, what they are and were called.

    All that no draw changes; the pairs are in the order of their cells.
    """

    people: np.ndarray  # int [N], ascending
    first: np.ndarray  # int [P], a person of the pair
    second: np.ndarray  # int [P], the other, or nobody: people[-1] + 1
    cells: np.ndarray  # int [P], places in a table of `shape`
    weights: np.ndarray | None  # float64 [P], for how much each counts; None: for one
    shape: tuple[int, int, int, int]  # section of the ROC, kind, right, same

    @property
    def num_draws(self) -> int:
        """As many as there is time for."""
        return int(np.clip(MAX_WEIGHTS // len(self.first), MIN_DRAWS, NUM_DRAWS))

    def once(self) -> np.ndarray:
        """How many pairs there are, or their weight: float64, of the shape."""
        (table,) = self._count(np.ones((self.people[-1] + 2, 1)))
        return table

    def draws(self, *, seed: int) -> Iterator[np.ndarray]:
        """Yields the same of people drawn anew, `num_draws` times."""
        rng, nobody = np.random.default_rng(seed), self.people[-1] + 1
        for start in range(0, self.num_draws, DRAWS_AT_ONCE):
            times = [
                np.bincount(
                    np.append(rng.choice(self.people, len(self.people)), nobody)
                )
                for _ in range(min(DRAWS_AT_ONCE, self.num_draws - start))
            ]
            yield from self._count(np.array(times, np.float64).T.copy())

    def _count(self, times: np.ndarray) -> Iterator[np.ndarray]:
        """Yields the table for each d: person a came times[a, d] times, nobody once.

        Without weights of the pairs, counts are whole: exact in any order.
        """
        tables = np.zeros((math.prod(self.shape), times.shape[1]))
        for start in range(0, len(self.first), CHUNK):
            part = slice(start, start + CHUNK)
            # clip: it is in range, and need not be looked at first.
            counts = times.take(self.first[part], 0, mode="clip")
            counts *= times.take(self.second[part], 0, mode="clip")
            if self.weights is not None:
                counts *= self.weights[part, None]
            cells = self.cells[part]
            starts = np.flatnonzero(np.diff(cells, prepend=-1))
            tables[cells[starts]] += np.add.reduceat(counts, starts)
        yield from (table.reshape(self.shape) for table in tables.T)


def tally(
    distances: np.ndarray,
    same: np.ndarray,
    right: np.ndarray,
    identities: np.ndarray,
    kinds: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Tally:
    """Pairs with distances [P], truth same [P], answers right [P], people [P, 2].

    Args:
      kinds: int [P], from 0, of pairs that are to be counted apart; None: all are one.
      weights: [P], for how much each pair counts; None: for one.
    """
    people = np.flatnonzero(np.bincount(identities.ravel()))
    sections = np.empty(len(same), np.int64)
    order = np.argsort(distances)
    sections[order] = _sections(distances[order], same[order])
    if kinds is None:
        kinds = np.zeros(len(same), np.int64)
    shape = (int(sections.max()) + 1, int(kinds.max()) + 1, 2, 2)
    cells = np.ravel_multi_index((sections, kinds, right + 0, same + 0), shape)
    order = np.argsort(cells)
    first, second = identities[order].T
    return Tally(
        people=people,
        first=first,
        second=np.where(same[order], people[-1] + 1, second),
        cells=cells[order],
        weights=None if weights is None else weights[order],
        shape=shape,
    )


def bootstrap(
    distances: np.ndarray,
    same: np.ndarray,
    right: np.ndarray,
    identities: np.ndarray,
    rates: Sequence[float] = FALSE_ACCEPT_RATES,
    *,
    seed: int,
) -> Intervals:
    """Intervals for pairs with distances [P], truth same [P] and people [P, 2].

    The thresholds stay what they were, so `right` [P], whether the answer to each pair
    was right, is given; its accuracy is over all pairs of a draw at once. Draws that
    leave no same or no different pair have no ROC and are left out.

    Args:
      rates: those of FALSE_ACCEPT_RATES that the pairs can tell.
    """
    pairs = tally(distances, same, right, identities)
    draws = (_measure(table[:, 0], rates) for table in pairs.draws(seed=seed))
    measures = np.array([measures for measures in draws if measures])
    low_high = np.percentile(measures, PERCENTILES, axis=0).T
    accuracy, area, eer, *accepts = ((low, high) for low, high in low_high.tolist())
    return Intervals(
        accuracy_mean=accuracy,
        auc=area,
        eer=eer,
        tar_at_far=dict.fromkeys(FALSE_ACCEPT_RATES)
        | dict(zip(rates, accepts, strict=True)),
        num_draws=pairs.num_draws,
    )


def _measure(table: np.ndarray, rates: Sequence[float]) -> list[float]:
    """Accuracy, AUC, EER and each TAR of a table [R, 2, 2] of pairs, or nothing."""
    curve = np.concatenate([np.zeros((1, 2)), table.sum(1).cumsum(0)])
    if not curve[-1].all():
        return []
    fpr, tpr = (curve / curve[-1]).T
    return [
        float(table[:, 1].sum() / curve[-1].sum()),
        float(auc(fpr, tpr)),
        equal_error_rate(fpr, tpr),
        *true_accept_rates(fpr, tpr, rates).values(),
    ]


def _sections(distances: np.ndarray, same: np.ndarray) -> np.ndarray:
    """The straight section of the ROC that each pair is in, ascending: int [P].

    Along neighbouring distances of same pairs alone the ROC goes up, along those of
    different pairs alone it goes right, with any weights: no measure needs the points
    between. So where few of many pairs are the same, few points are left.
    """
    starts = np.flatnonzero(np.diff(distances, prepend=-np.inf))  # of equal distances
    sizes = np.diff(starts, append=len(same))
    share = np.add.reduceat(same.astype(np.int64), starts) / sizes
    # A tie of both kinds is a slope of its own.
    begins = (np.diff(share, prepend=-1) != 0) | (share % 1 != 0)
    return np.repeat(np.cumsum(begins) - 1, sizes)
