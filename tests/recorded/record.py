"""Records what a commit writes: two runs at step 20 of 22, a saved embedder, vectors.

In an empty folder, with the commit's own code:
PYTHONPATH=COMMIT:COMMIT/tests python .../tests/recorded/record.py
"""

import json
import shutil
from pathlib import Path

import numpy as np
from tiny import TINY, tiny_config

import cl_facenet
from cl_facenet.evaluate import evaluate
from cl_facenet.models import facenet
from cl_facenet.train import train

# Some keys of the second are not read by its choices.
RUNS = {
    "paper": {},
    "sandberg": {
        "center.rule": "sandberg",
        "center.weight": 0.5,
        "center.alpha": None,
        "optimizer.name": "sgd",
        "optimizer.learning_rate": 0.01,
        "optimizer.average_decay": 0.9,
        "optimizer.epsilon": 1e-7,
        "optimizer.decay_factor": 0.5,
        "data.photos_per_person": 2,
    },
}


def images():
    """Four that any machine makes the same: uint8 [4, 32, 32, 3]."""
    numbers = np.arange(4 * 32 * 32 * 3) * 7919 % 251
    return numbers.astype(np.uint8).reshape(4, 32, 32, 3)


def record(name, changes):
    """A run whose last checkpoint is taken away, evaluated at the one before."""
    config, workdir = tiny_config("cache", **changes), Path(name)
    train(config, workdir)
    for path in (workdir / "checkpoints/22", workdir / "report"):
        shutil.rmtree(path)
    (workdir / "results.json").unlink()
    evaluate(config, workdir)
    shutil.rmtree(workdir / "report")
    return cl_facenet.load(workdir)


if __name__ == "__main__":
    facenet.NETWORKS["tiny"] = TINY
    embedders = {name: record(name, changes) for name, changes in RUNS.items()}
    embedders["paper"].save(Path("model"), dtype="bfloat16")
    embedders["model"] = cl_facenet.load("model")
    vectors = {name: made(images()).tolist() for name, made in embedders.items()}
    Path("vectors.json").write_text(json.dumps(vectors, indent=1) + "\n")
