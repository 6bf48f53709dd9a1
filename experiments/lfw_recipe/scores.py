"""A training on view1_tune scored on view 1, its vectors used in several ways.

Thresholds are the best ones for the people of the training half whom it left out,
never for the pairs that are scored.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

import cl_facenet
from cl_facenet.data.lfw import read_protocol_files
from cl_facenet.data.lfw_splits import view1_pairs
from cl_facenet.data.pairs import Pairs
from cl_facenet.data.records import Records
from cl_facenet.data.splits import Split
from cl_facenet.dataset import build_data
from cl_facenet.embedder import Embedder
from cl_facenet.evaluation.bootstrap import bootstrap
from cl_facenet.evaluation.verification import (
    Verification,
    squared_distances,
    verify,
)
from cl_facenet.workdir import read_config

# From the vectors of the people trained on [M, D] to a map of vectors [N, D] to others.
Fit = Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]]


def as_they_are(_: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """No change."""
    return lambda vectors: vectors


def whitened(trained: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """By principal components, each with the same variance, and unit vectors again."""
    pca = PCA(whiten=True).fit(trained)
    return lambda vectors: normalize(pca.transform(vectors))


# Ways to use a network's vectors: for one photo, for it and its mirror image.
FITS: Mapping[str, Fit] = {"": as_they_are, ", whitened": whitened}
CROPS = {"one crop": False, "with its mirror image": True}


def score(workdir: Path) -> dict[str, Any]:
    """What each way gets on the people to tune on and on view 1, of one training."""
    config = ConfigDict(read_config(workdir))
    embedder = cl_facenet.load(workdir)
    config.data.align = embedder.preprocessing.align  # LFW may lie there in several
    records, split = build_data(config)
    tested = view1_pairs(read_protocol_files(records.directory), records.names())
    tuning = _tuning(split)
    rows = [split.train_indices, split.unseen_indices, tested.rows.ravel()]
    needed = np.unique(np.concatenate(rows))
    shape = len(records.labels), config.model.embedding_size
    scores = {}
    for crop, mirrored in CROPS.items():
        vectors = np.empty(shape, np.float32)
        for chunk in np.array_split(needed, 1 + len(needed) // 512):
            vectors[chunk] = _embed(embedder, records, chunk, mirrored=mirrored)
        for fitted, fit in FITS.items():
            ours = np.empty_like(vectors)
            ours[needed] = fit(vectors[split.train_indices])(vectors[needed])
            tune = verify_all(ours, tuning, records.labels)
            view1 = verify_all(ours, tested, records.labels)
            scores[crop + fitted] = {
                "tune": tune.summary(),
                "view1": view1.summary(),
                "by_threshold": by_threshold(view1, records.labels, tune.threshold),
            }
    return scores


def _embed(
    embedder: Embedder, records: Records, rows: np.ndarray, *, mirrored: bool
) -> np.ndarray:
    """The vectors of photos [n, D]; of the sum with the mirror image's, if so."""
    images, how = records.images(rows), records.metadata["preprocessing"]
    vectors = embedder(images, prepared_as=how)
    if not mirrored:
        return vectors
    return normalize(vectors + embedder(images[:, :, ::-1], prepared_as=how))


def _tuning(split: Split) -> Pairs:
    """The split's pairs, among all photos."""
    assert split.pairs is not None
    return replace(split.pairs, rows=split.unseen_indices[split.pairs.rows])


def verify_all(vectors: np.ndarray, pairs: Pairs, labels: np.ndarray) -> Verification:
    """Of vectors [N, D] of photos of people labels [N], pairs among them."""
    return verify(
        squared_distances(vectors, pairs.rows),
        pairs.rows,
        pairs.same,
        pairs.folds,
        identities=labels[pairs.rows],
        protocol=pairs.protocol,
        seed=0,
    )


def by_threshold(
    verification: Verification, labels: np.ndarray, threshold: float
) -> dict[str, Any]:
    """The accuracy over all pairs by a threshold that they had no part in."""
    distances, same = verification.distances, verification.same
    right = (distances < threshold) == same
    identities = labels[verification.pairs]
    intervals = bootstrap(distances, same, right, identities, seed=0)
    return {
        "threshold": threshold,
        "accuracy_mean": float(right.mean()),
        "intervals": intervals.summary(),
    }
