"""What the report of a run is made from, of a small run that never was."""

from functools import cache

import numpy as np

from cl_facenet.evaluation.calibration import CalibratedOn, Calibration, Threshold
from cl_facenet.evaluation.classification import classify
from cl_facenet.evaluation.embedding_map import EmbeddingMap
from cl_facenet.evaluation.identification import enrol, identify
from cl_facenet.evaluation.published import Curve
from cl_facenet.evaluation.verification import squared_distances, verify

EVIL = "<script>alert('x')</script>"
PEOPLE = [
    "a very long name indeed, longer than any axis",
    EVIL,
    r"$\frac$",  # a formula, and a bad one, if matplotlib took it for one
    "Ren\udce9",  # a file name in another encoding
]
LABELS = np.repeat(np.arange(4), 4)
METRICS = [
    {"step": 10, "train/loss": 2.0, "train/identity_loss": 1.5, "train/accuracy": 0.1},
    {"step": 20, "train/loss": 1.0, "train/center_loss": 0.1},
    {"step": 20, "train/loss": 1.1, "train/within_between_ratio": float("nan")},
    {"step": 30, "train/loss": 0.5, "train/center_movement": None},
    {"step": 30, "lfw/accuracy_mean": 0.9},
]


def verify_all(embeddings, protocol):
    """All pairs, in folds that each have both kinds."""
    pairs = np.stack(np.triu_indices(len(LABELS), k=1), axis=1)
    identities = LABELS[pairs]
    same = identities[:, 0] == identities[:, 1]
    return verify(
        squared_distances(embeddings, pairs),
        pairs,
        same,
        np.arange(len(pairs)) % 7,
        identities=identities,
        seed=0,
        protocol=protocol,
    )


@cache
def made_up_run():
    """The arguments of write_report, but for its directory."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(4, 8))
    embeddings = centers[LABELS] + rng.normal(size=(16, 8))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    points = np.linspace(0, 1, 5)
    return {
        "title": f"A run of {EVIL}",
        "results": {
            "data": {
                "name": EVIL,
                "of": PEOPLE[3],
                "num_photos": 1600,
                "crop": [1, 2, {"of_fit": "whole"}],
                "share": 0.25,
            },
            "step": 1200,
        },
        "metrics": METRICS,
        "classification": classify(LABELS, np.roll(LABELS, 2), num_classes=4),
        "people": PEOPLE,
        "verification": verify_all(embeddings, protocol="all pairs & <more>"),
        "published": [
            Curve("deep_face $1", points, np.sqrt(points)),
            Curve("王芳", points, points),
            *(Curve(f"method {k}", points, points ** (1 / k)) for k in range(1, 20)),
        ],
        "identification": identify(
            embeddings, LABELS, enrol(LABELS, seed=0), protocol="half & <half>"
        ),
        "calibration": Calibration(
            CalibratedOn("faces of <b>", "all pairs", 450, 4_500, 10),
            (Threshold(0.1, 0.623, 0.912), Threshold(0.01, 0.309, 0.55)),
        ),
        "photos": rng.integers(0, 255, (16, 12, 10, 3)).astype(np.uint8),
        "embedding_map": EmbeddingMap(embeddings, LABELS, centers, PEOPLE),
    }


NOTHING = {
    "metrics": [],
    "classification": None,
    "verification": None,
    "published": [],
    "identification": None,
    "calibration": None,
    "photos": None,
    "embedding_map": None,
}
