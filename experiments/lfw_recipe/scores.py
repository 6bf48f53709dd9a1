"""A training scored on view 1, its vectors used in several ways.

Thresholds are of people of the training half whom it left out (view1_tune), never of
the pairs that are scored: the one with which the rates of the two errors have the least
sum, which is what accuracy means where half of the pairs are the same person.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict
from sklearn.decomposition import PCA
from sklearn.metrics import roc_curve

import cl_facenet
from cl_facenet.data.lfw import read_protocol_files
from cl_facenet.data.lfw_splits import view1_pairs
from cl_facenet.data.pairs import Pairs
from cl_facenet.data.records import Records
from cl_facenet.data.splits import Split
from cl_facenet.dataset import build_data
from cl_facenet.embedder import Embedder
from cl_facenet.evaluation.bootstrap import bootstrap
from cl_facenet.evaluation.verification import squared_distances, verify
from cl_facenet.workdir import read_config

# From the vectors of the people trained on [M, D] to a map of vectors [N, D] to others.
Fit = Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Each of length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def as_they_are(_: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """No change."""
    return lambda vectors: vectors


def whitened(trained: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """By principal components, each with the same variance, and unit vectors again."""
    pca = PCA(whiten=True).fit(trained)
    return lambda vectors: unit(pca.transform(vectors))


# Ways to use a network's vectors: for one photo, for it and its mirror image.
FITS: Mapping[str, Fit] = {"": as_they_are, ", whitened": whitened}
CROPS = {"one crop": False, "with its mirror image": True}


def score(workdir: Path, thresholds: Mapping[str, float]) -> dict[str, Any]:
    """What each way gets on view 1, and its threshold, for a training by main.

    Args:
      thresholds: of each way where the training left nobody out to find them by: those
        of the same recipe where it did.
    """
    config = ConfigDict(read_config(workdir))
    embedder = cl_facenet.load(workdir)
    config.data.align = embedder.preprocessing.align  # LFW may lie there in several
    records, split = build_data(config)
    tested = view1_pairs(read_protocol_files(records.directory), records.names())
    tuned_on = config.data.lfw.protocol == "view1_tune"
    rows = [split.train_indices, split.unseen_indices, tested.rows.ravel()]
    needed = np.unique(np.concatenate(rows))
    shape = len(records.labels), config.model.embedding_size
    scores = {}
    for crop, mirrored in CROPS.items():
        vectors = np.empty(shape, np.float32)
        for chunk in np.array_split(needed, 1 + len(needed) // 512):
            vectors[chunk] = _embed(embedder, records, chunk, mirrored=mirrored)
        for fitted, fit in FITS.items():
            way = crop + fitted
            ours = np.empty_like(vectors)
            ours[needed] = fit(vectors[split.train_indices])(vectors[needed])
            limit = _threshold(ours, split) if tuned_on else thresholds[way]
            scores[way] = _score(ours, tested, records.labels, limit)
    return scores


def _embed(
    embedder: Embedder, records: Records, rows: np.ndarray, *, mirrored: bool
) -> np.ndarray:
    """The vectors of photos [n, D]; of the sum with the mirror image's, if so."""
    images, how = records.images(rows), records.metadata["preprocessing"]
    vectors = embedder(images, prepared_as=how)
    if not mirrored:
        return vectors
    return unit(vectors + embedder(images[:, :, ::-1], prepared_as=how))


def _threshold(vectors: np.ndarray, split: Split) -> float:
    """Where the rates of both errors have the least sum, on the people left out."""
    pairs = split.pairs
    assert pairs is not None
    distances = squared_distances(vectors[split.unseen_indices], pairs.rows)
    fpr, tpr, limits = roc_curve(pairs.same, -distances)
    return float(-limits[np.argmax(tpr - fpr)])


def _score(
    vectors: np.ndarray, pairs: Pairs, labels: np.ndarray, threshold: float
) -> dict[str, Any]:
    """Of the pairs, by a threshold, and by LFW's own rule: see `verify`."""
    distances = squared_distances(vectors, pairs.rows)
    identities = labels[pairs.rows]
    right = (distances < threshold) == pairs.same
    ours = bootstrap(distances, pairs.same, right, identities, seed=0)
    return {
        "threshold": threshold,
        "accuracy": float(right.mean()),
        "interval": list(ours.accuracy_mean),
        "verification": verify(
            distances,
            pairs.rows,
            pairs.same,
            pairs.folds,
            identities=identities,
            protocol=pairs.protocol,
            seed=0,
        ).summary(),
    }
