"""A training on view1_tune scored on view 1, its vectors used in several ways.

Thresholds of `by_threshold` are the best ones for the people of the training half whom
it left out, never for the pairs that are scored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict
from sklearn.preprocessing import normalize

import cl_facenet
from cl_facenet.config import base, resolve
from cl_facenet.data.lfw import read_protocol_files
from cl_facenet.data.lfw_splits import view1_pairs
from cl_facenet.data.pairs import Pairs
from cl_facenet.data.records import Records
from cl_facenet.dataset import build_data
from cl_facenet.embedder import Embedder
from cl_facenet.errors import InputError
from cl_facenet.evaluation.bootstrap import bootstrap
from cl_facenet.evaluation.verification import (
    Verification,
    squared_distances,
    verify,
)
from cl_facenet.workdir import read_config
from experiments.eigenfaces import COMPONENTS, eigenfaces
from experiments.lfw_recipe.ways import CROPS, FITS, View


@dataclass(frozen=True)
class Exam:
    """The photos and pairs that vectors are judged by.

    Attributes:
      records: all photos.
      trained: the rows of those that may be learned from.
      tuning: pairs of people left out, whose best threshold is taken.
      tested: those of view 1.
    """

    records: Records
    trained: np.ndarray
    tuning: Pairs
    tested: Pairs

    def rows(self) -> np.ndarray:
        """The rows that vectors are needed of."""
        pairs = [self.tuning.rows.ravel(), self.tested.rows.ravel()]
        return np.unique(np.concatenate([self.trained, *pairs]))

    def grade(self, vectors: np.ndarray) -> dict[str, Any]:
        """What unit vectors [N, D] get; those of other rows are not looked at."""
        labels = self.records.labels
        tune = verify_all(vectors, self.tuning, labels)
        view1 = verify_all(vectors, self.tested, labels)
        return {
            "tune": tune.summary(),
            "view1": view1.summary(),
            "by_threshold": by_threshold(view1, labels, tune.threshold),
        }


def exam_of(config: ConfigDict) -> Exam:
    """That of a training on view1_tune.

    Raises:
      InputError: it is one on something else, which leaves nobody out.
    """
    protocol = config.data.lfw.protocol
    if protocol != "view1_tune":
        raise InputError(f"trained on {protocol}: give a training on view1_tune")
    records, split = build_data(config)
    tested = view1_pairs(read_protocol_files(records.directory), records.names())
    assert split.pairs is not None
    tuning = replace(split.pairs, rows=split.unseen_indices[split.pairs.rows])
    return Exam(records, split.train_indices, tuning, tested)


def open_training(workdir: Path) -> tuple[Embedder, Exam]:
    """The embedder that a training left, and its exam."""
    config = ConfigDict(read_config(workdir))
    embedder = cl_facenet.load(workdir)
    config.data.align = embedder.preprocessing.align  # LFW may lie there in several
    return embedder, exam_of(config)


def vectors_of(
    embedder: Embedder, exam: Exam, crops: Sequence[str]
) -> dict[str, np.ndarray]:
    """The vectors that an exam needs, by some of CROPS: arrays for all photos [N, D].

    Each is of unit length, and the sum over its crop's views of a photo before that.
    """
    needed = exam.rows()
    views = dict.fromkeys(view for crop in crops for view in CROPS[crop])
    seen = {view: _embed(embedder, exam.records, needed, view) for view in views}
    vectors = {}
    for crop in crops:
        own = normalize(sum(seen[view] for view in CROPS[crop]))
        vectors[crop] = np.empty((len(exam.records), own.shape[1]), np.float32)
        vectors[crop][needed] = own
    return vectors


def score(workdir: Path, crops: Sequence[str]) -> dict[str, Any]:
    """What some of CROPS get, in each of FITS, on both sets of pairs, of one training.

    The pairs are of the people to tune on, and of view 1.
    """
    embedder, exam = open_training(workdir)
    needed, scores = exam.rows(), {}
    labels = exam.records.labels[exam.trained]
    for crop, vectors in vectors_of(embedder, exam, crops).items():
        for fitted, fit in FITS.items():
            mapped = fit(vectors[exam.trained], labels)(vectors[needed])
            ours = np.empty((len(vectors), mapped.shape[1]), np.float32)
            ours[needed] = mapped
            scores[crop + fitted] = exam.grade(ours)
    return scores


def score_eigenfaces(align: str) -> dict[str, Any]:
    """What principal components of the pixels get, of photos aligned so."""
    config = base("lfw")
    config.data.align, config.data.lfw.protocol = align, "view1_tune"
    config.data.min_photos, config.data.heldout_share = 2, 0.0
    resolve(config)
    exam = exam_of(config)
    needed = exam.rows()
    vectors = np.empty((len(exam.records), COMPONENTS))
    vectors[needed] = eigenfaces(exam.records, exam.trained)(needed)
    return exam.grade(vectors)


def _embed(
    embedder: Embedder, records: Records, rows: np.ndarray, view: View
) -> np.ndarray:
    """The unit vectors of a view of photos [n, D]."""
    how = records.metadata["preprocessing"]
    chunks = np.array_split(rows, 1 + len(rows) // 512)  # 14 MB of photos each
    return np.concatenate(
        [embedder(view(records.images(chunk)), prepared_as=how) for chunk in chunks]
    )


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
