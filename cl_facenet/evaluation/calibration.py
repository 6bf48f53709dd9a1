"""Thresholds for chosen false-accept rates, measured on pairs of people never seen.

A false accept: two people called the same person. At most the share f of the different
pairs is accepted at the threshold for f, and it is kept only where that share is ten
pairs or more (`roc.tells`).

For NumPy alone: an embedder has its calibration with it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isclose, isfinite
from typing import Any

import numpy as np

from cl_facenet.errors import InputError
from cl_facenet.evaluation.roc import greatest_threshold, tells

FALSE_ACCEPT_RATES = (0.1, 0.01, 0.001, 0.0001, 0.00001, 0.000001)
MAX_PHOTOS = 4_000  # eight million pairs


@dataclass(frozen=True)
class Threshold:
    """Two photos are called the same person iff their squared distance is below it."""

    false_accept_rate: float  # share of different pairs called the same, at most
    threshold: float  # squared distance
    true_accept_rate: float  # share of same pairs called so, as it was measured


@dataclass(frozen=True)
class CalibratedOn:
    """Which pairs thresholds were measured on: of people never trained on."""

    data: str
    protocol: str
    num_same_pairs: int
    num_different_pairs: int
    num_people: int

    def __str__(self) -> str:
        pairs = self.num_same_pairs + self.num_different_pairs
        return f"{pairs:,} pairs of {self.num_people:,} people in {self.data}"


@dataclass(frozen=True)
class Calibration:
    """Thresholds by falling false-accept rate."""

    calibrated_on: CalibratedOn
    thresholds: tuple[Threshold, ...]

    def at(self, false_accept_rate: float) -> Threshold:
        """The threshold for a rate.

        Raises:
          InputError: it is none of those that could be measured; they are named.
        """
        for threshold in self.thresholds:
            if isclose(threshold.false_accept_rate, false_accept_rate):
                return threshold
        rates = ", ".join(f"{t.false_accept_rate:g}" for t in self.thresholds)
        raise InputError(
            f"no threshold for a false-accept rate of {false_accept_rate:g}: "
            f"{self.calibrated_on} tell those for {rates or 'none'}"
        )

    def to_json(self) -> dict[str, Any]:
        """The `calibration` object of results.json; `from_json` reads it back."""
        return asdict(self) | {"thresholds": [asdict(t) for t in self.thresholds]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Calibration":
        """The calibration of `to_json`.

        Raises:
          ValueError, TypeError, LookupError: it is not whole.
        """
        thresholds = tuple(Threshold(**row) for row in content["thresholds"])
        for threshold in thresholds:
            if not all(map(isfinite, asdict(threshold).values())):
                raise ValueError(f"{threshold} is not finite")
        calibrated_on = CalibratedOn(**content["calibrated_on"])
        for name, value in asdict(calibrated_on).items():
            if not isinstance(value, int if name.startswith("num_") else str):
                raise TypeError(f"{name} is {value!r}")
        return cls(calibrated_on, thresholds)


def calibrate_people(
    embedding: np.ndarray, labels: np.ndarray, *, data: str, seed: int
) -> Calibration:
    """Thresholds on all pairs of photos of people never trained on.

    Args:
      embedding: unit vectors [N, D]; of more than MAX_PHOTOS so many are drawn.
      labels: who is on the photos [N].
      data: where they are from.

    Raises:
      InputError: a row of NaN, as photos without a face have.
    """
    missing = int(np.isnan(embedding).any(1).sum())
    if missing:
        raise InputError(
            f"{missing:,} of {len(labels):,} photos have no vector, as none without a "
            'face has: leave them out, or embed them with on_missing_face="assume"'
        )
    if len(labels) > MAX_PHOTOS:
        drawn = np.random.default_rng(seed).choice(len(labels), MAX_PHOTOS, False)
        embedding, labels = embedding[drawn], labels[drawn]
    upper = np.triu_indices(len(labels), k=1)
    return calibrate(
        np.maximum(2 - 2 * embedding @ embedding.T, 0)[upper],
        (labels[:, None] == labels)[upper],
        data=data,
        protocol="all pairs of people never trained on",
        num_people=len(np.unique(labels)),
    )


def calibrate(
    distances: np.ndarray,
    same: np.ndarray,
    *,
    data: str,
    protocol: str,
    num_people: int,
) -> Calibration:
    """Thresholds on the distances [P] of pairs that are of one person or not, same [P].

    Args:
      data, protocol, num_people: what the pairs are of.
    """
    mated, strangers = distances[same], distances[~same]
    thresholds = []
    for rate in FALSE_ACCEPT_RATES:
        if not tells(len(strangers), rate):
            continue
        threshold = greatest_threshold(strangers, rate)
        accepted = float(np.mean(mated < threshold))
        thresholds.append(Threshold(rate, threshold, accepted))
    about = CalibratedOn(data, protocol, len(mated), len(strangers), num_people)
    return Calibration(about, tuple(thresholds))
