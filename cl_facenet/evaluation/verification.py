"""Same person or not? The protocol of Labeled Faces in the Wild, on any list of pairs.

A pair's distance is d = ||u - v||^2, on unit vectors 2 - 2 cos, from 0 to 4. The two
photos are called the same person iff d < t.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import auc, roc_curve

from cl_facenet.errors import InputError

CHUNK = 16_384  # pairs at a time: some 80 MB for 128 numbers a photo
NUM_FOLDS = 10
FALSE_ACCEPT_RATES = (0.01, 0.001)


@dataclass(frozen=True)
class Verification:
    """Rates and shares are from 0 to 1; the rest is in squared distance."""

    accuracy_mean: float  # over folds
    accuracy_std: float  # over folds, of the population as OpenFace reports it
    auc: float
    eer: float
    tar_at_far: dict[float, float]
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
            "auc": self.auc,
            "eer": self.eer,
            "tar_at_far": {str(far): tar for far, tar in self.tar_at_far.items()},
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


def all_pairs(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every i < j of labels [N]: pairs int [P, 2], and whether each is one person."""
    pairs = np.stack(np.triu_indices(len(labels), k=1), axis=-1)
    left, right = np.asarray(labels)[pairs.T]
    return pairs, left == right


def assign_folds(
    same: np.ndarray, num_folds: int = NUM_FOLDS, *, seed: int
) -> np.ndarray:
    """A fold for each of the pairs same [P], at random: int [P], below `num_folds`.

    Each fold gets its share of the same and of the different pairs, to within one.

    Raises:
      InputError: there are fewer pairs than folds.
    """
    if len(same) < num_folds:
        raise InputError(
            f"{len(same)} pairs are too few for {num_folds} folds: add photos or people"
        )
    order = np.random.default_rng(seed).permutation(len(same))
    order = order[np.argsort(same[order], kind="stable")]
    folds = np.empty(len(same), np.int64)
    folds[order] = np.arange(len(same)) % num_folds
    return folds


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


def verify(
    distances: np.ndarray,
    pairs: np.ndarray,
    same: np.ndarray,
    folds: np.ndarray,
    *,
    num_people: int,
    protocol: str,
) -> Verification:
    """Scores the pairs [P, 2] by their distances [P] and truth same [P].

    Accuracy: the threshold of a fold is the best one on all other folds [P]. The rest
    is pooled over all pairs. AUC: P(d_same < d_different) + P(tie) / 2. EER: x where
    1 - x = TPR(x), linear on the ROC. TAR at FAR f: the greatest TPR of a threshold
    whose FPR is at most f, not interpolated, so never flattering.

    Raises:
      InputError: a distance is not finite, or same pairs, different pairs or the pairs
        of a fold are missing.
    """
    _check(distances, same, folds)
    accuracies = []
    for fold in np.unique(folds):
        mine = folds == fold
        threshold = best_threshold(distances[~mine], same[~mine])
        accuracies.append(np.mean((distances[mine] < threshold) == same[mine]))
    # With every point kept: on a slope, those left out would carry a TAR of their own.
    fpr, tpr, _ = roc_curve(same, -distances, drop_intermediate=False)
    return Verification(
        accuracy_mean=float(np.mean(accuracies)),
        accuracy_std=float(np.std(accuracies)),
        auc=float(auc(fpr, tpr)),
        # Along the ROC, FPR + TPR rises from 0 to 2; the wanted point is where it is 1.
        eer=float(np.interp(1, fpr + tpr, fpr)),
        tar_at_far={far: float(tpr[fpr <= far].max()) for far in FALSE_ACCEPT_RATES},
        threshold=best_threshold(distances, same),
        fpr=fpr,
        tpr=tpr,
        distances=distances,
        same=same,
        pairs=pairs,
        num_people=int(num_people),
        protocol=protocol,
    )


def _check(distances: np.ndarray, same: np.ndarray, folds: np.ndarray) -> None:
    not_finite = np.count_nonzero(~np.isfinite(distances))
    if not_finite:
        raise InputError(
            f"{not_finite} of {len(distances)} distances are not finite: the training "
            "has diverged; lower optimizer.learning_rate or center.weight"
        )
    if not np.any(same):
        raise InputError(
            "no pair is of the same person: verify on people with two photos or more"
        )
    if np.all(same):
        raise InputError("no pair is of different people: verify on two people or more")
    sizes = np.bincount(folds)
    if len(sizes) < 2 or not sizes.all():
        raise InputError(
            f"{len(distances)} pairs leave a fold of {len(sizes)} empty: add "
            "photos or people, or use fewer folds"
        )
