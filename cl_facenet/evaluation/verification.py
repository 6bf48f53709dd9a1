"""Same person or not? The protocol of Labeled Faces in the Wild, on any list of pairs.

A pair's distance is d = ||u - v||^2, on unit vectors 2 - 2 cos, from 0 to 4. The two
photos are called the same person iff d < t.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import auc, roc_curve

from cl_facenet.errors import InputError
from cl_facenet.evaluation.bootstrap import Intervals, bootstrap
from cl_facenet.evaluation.roc import (
    FALSE_ACCEPT_RATES,
    equal_error_rate,
    tells,
    true_accept_rates,
)

CHUNK = 16_384  # pairs at a time: some 80 MB for 128 numbers a photo


@dataclass(frozen=True)
class Verification:
    """Rates and shares are from 0 to 1; the rest is in squared distance."""

    accuracy_mean: float  # over folds
    accuracy_std: float  # over folds, of the population as OpenFace reports it
    accuracy_standard_error: float  # of the mean over folds, as LFW reports it
    auc: float
    eer: float
    tar_at_far: dict[float, float | None]  # None: the pairs are too few to tell
    intervals: Intervals
    threshold: float  # the best one on all pairs
    fpr: np.ndarray  # [R], ascending, a point for each distinct distance
    tpr: np.ndarray  # [R]
    distances: np.ndarray  # float64 [P]
    same: np.ndarray  # bool [P]
    pairs: np.ndarray  # int [P, 2]
    num_people: int
    protocol: str

    def summary(self) -> dict[str, Any]:
        """The `verification` object of results.json."""
        return {
            "accuracy_mean": self.accuracy_mean,
            "accuracy_std": self.accuracy_std,
            "accuracy_standard_error": self.accuracy_standard_error,
            "auc": self.auc,
            "eer": self.eer,
            "tar_at_far": {str(far): tar for far, tar in self.tar_at_far.items()},
            "intervals": self.intervals.summary(),
            "threshold": self.threshold,
            "num_pairs": len(self.pairs),
            "num_people": self.num_people,
            "protocol": self.protocol,
        }


def squared_distances(embeddings: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """||u - v||^2, float64 [P], of the rows of embeddings [N, D] in pairs [P, 2]."""
    distances = np.empty(len(pairs))
    for start in range(0, len(pairs), CHUNK):
        u, v = embeddings[pairs[start : start + CHUNK].T].astype(np.float64)
        distances[start : start + CHUNK] = np.square(u - v).sum(-1)
    return distances


def best_threshold(distances: np.ndarray, same: np.ndarray) -> float:
    """The t that maximises the accuracy of "same iff d < t" over distances [P].

    Exact, in O(P log P): only a place between two neighbouring distances matters, and
    of those the lowest of the best is taken, halfway.
    """
    order = np.argsort(distances)
    d = distances[order]
    # Accepting the k nearest pairs, k = 0 ... P: right on the same ones among them and
    # on the different ones beyond, up to a constant.
    gain = np.concatenate([[0], np.cumsum(np.where(same[order], 1, -1))])
    below = np.concatenate([d[:1], d])
    above = np.concatenate([d, [np.nextafter(d[-1], np.inf)]])
    # No threshold parts equal distances.
    possible = np.concatenate([[True], below[1:] < above[1:]])
    k = np.argmax(np.where(possible, gain, -len(d) - 1))
    middle = (below[k] + above[k]) / 2
    # Between adjacent floats the middle rounds to one of them; d < t wants the upper.
    return float(middle if middle > below[k] else above[k])


def fold_thresholds(
    distances: np.ndarray, same: np.ndarray, folds: np.ndarray, scorers: np.ndarray
) -> np.ndarray:
    """Each pair's threshold, float64 [P]: the best one on the other folds.

    And of those on the pairs alone that were scored by the same model (scorers [P]):
    the distances of two models may be on two scales.

    Raises:
      InputError: a scorer has the pairs of one fold only.
    """
    thresholds = np.empty(len(distances))
    for scorer in np.unique(scorers):
        theirs = scorers == scorer
        for fold in np.unique(folds[theirs]):
            mine, others = (theirs & (folds == fold)), (theirs & (folds != fold))
            if not others.any():
                raise InputError(
                    f"model {scorer} scored the pairs of fold {fold} only: a fold's "
                    "threshold comes from other folds of the same model, so give "
                    "models that each may score two or more"
                )
            thresholds[mine] = best_threshold(distances[others], same[others])
    return thresholds


def verify(
    distances: np.ndarray,
    pairs: np.ndarray,
    same: np.ndarray,
    folds: np.ndarray,
    *,
    identities: np.ndarray,
    scorers: np.ndarray | None = None,
    seed: int,
    protocol: str,
) -> Verification:
    """Scores the pairs [P, 2] by their distances [P] and truth same [P].

    Accuracy: the threshold of a fold is the best one on all other folds [P], or on
    those that the same model scored. The rest is pooled over all pairs, the distances
    of two models as they are. AUC: P(d_same < d_different) + P(tie) / 2. EER: x where
    1 - x = TPR(x), linear on the ROC. TAR at FAR f: the greatest TPR of a threshold
    whose FPR is at most f, not interpolated, so never flattering; None where the
    different pairs are too few to tell (`roc.tells`).

    Args:
      identities: int [P, 2], the two people of each pair, for the intervals: see
        `bootstrap`.
      scorers: int [P], which model each distance is of; None if all are of one. In a
        cross-trained protocol, where a person tested on may have been trained on for
        other folds, there is more than one.
      seed: of the bootstrap.

    Raises:
      InputError: a distance is not finite; same pairs, different pairs or the pairs of
        a fold are missing; identities and `same` disagree; a scorer has one fold only.
    """
    _check(distances, same, folds, identities)
    if scorers is None:
        scorers = np.zeros(len(distances), np.int64)
    right = (distances < fold_thresholds(distances, same, folds, scorers)) == same
    accuracies = [np.mean(right[folds == fold]) for fold in np.unique(folds)]
    # With every point kept: on a slope, those left out would carry a TAR of their own.
    fpr, tpr, _ = roc_curve(same, -distances, drop_intermediate=False)
    num_different = int(np.count_nonzero(~same))
    rates = [far for far in FALSE_ACCEPT_RATES if tells(num_different, far)]
    return Verification(
        accuracy_mean=float(np.mean(accuracies)),
        accuracy_std=float(np.std(accuracies)),
        accuracy_standard_error=float(
            np.std(accuracies, ddof=1) / np.sqrt(len(accuracies))
        ),
        auc=float(auc(fpr, tpr)),
        eer=equal_error_rate(fpr, tpr),
        tar_at_far=dict.fromkeys(FALSE_ACCEPT_RATES)
        | true_accept_rates(fpr, tpr, rates),
        intervals=bootstrap(distances, same, right, identities, rates, seed=seed),
        threshold=best_threshold(distances, same),
        fpr=fpr,
        tpr=tpr,
        distances=distances,
        same=same,
        pairs=pairs,
        num_people=int(np.count_nonzero(np.bincount(identities.ravel()))),
        protocol=protocol,
    )


def _check(
    distances: np.ndarray, same: np.ndarray, folds: np.ndarray, identities: np.ndarray
) -> None:
    not_finite = np.count_nonzero(~np.isfinite(distances))
    if not_finite:
        raise InputError(
            f"{not_finite} of {len(distances)} distances are not finite: the training "
            "of this model has diverged; train one with a lower "
            "optimizer.learning_rate or center.weight"
        )
    if not np.any(same):
        raise InputError(
            "no pair is of the same person: add pairs of people with two photos or more"
        )
    if np.all(same):
        raise InputError("no pair is of different people: add pairs of two")
    sizes = np.bincount(folds)
    if len(sizes) < 2 or not sizes.all():
        raise InputError(
            f"{len(distances)} pairs leave a fold of {len(sizes)} empty: add pairs, by "
            "more photos or people"
        )
    wrong = np.count_nonzero((identities[:, 0] == identities[:, 1]) != same)
    if wrong:
        raise InputError(
            f"{wrong} of {len(same)} pairs are called the same person but are of two, "
            "or the other way round: mend the list of pairs"
        )
