"""LFW view 1 with center loss and without, next to eigenfaces and chance.

python experiments/lfw_view1/run.py

Runs the plain command for each, one after the other, then fits eigenfaces on the same
photos; writes results.json (all of it) and table.md beside this file, and copies the
pictures and the report of the first run. Interrupted, it goes on. LFW must be prepared
(README), and the code committed: its commit names the directory of the runs.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import jax
import numpy as np
from sklearn.decomposition import PCA

from cl_facenet.data.lfw_splits import lfw_split
from cl_facenet.data.records import default_cache_dir
from cl_facenet.dataset import open_lfw
from cl_facenet.evaluation.verification import squared_distances, verify

HERE = Path(__file__).parent
RUNS = Path("runs/lfw_view1")
VARIANTS = {
    "softmax + center loss": (),
    "softmax alone": ("--config.center.weight=0.0",),
}
# glibc asks the kernel for huge pages: a step takes some four fifths of the time.
ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
COMPONENTS = 128  # as many numbers a face as the network gives


def train(directory: Path, variant: str) -> dict[str, Any]:
    """The results of one training, with its minutes and its last metrics."""
    workdir = directory / variant.replace(" ", "-")
    command = [sys.executable, "-m", "cl_facenet.main", "--config=configs/nn4.py:lfw"]
    command += [f"--workdir={workdir}", *VARIANTS[variant]]
    clock = workdir.with_suffix(".minutes")
    before = float(clock.read_text()) if clock.exists() else 0.0
    if not (workdir / "results.json").exists():
        started = time.monotonic()
        try:
            subprocess.run(command, check=True, env=os.environ | ENVIRONMENT)
        finally:
            clock.write_text(str(before + (time.monotonic() - started) / 60))
    results = json.loads((workdir / "results.json").read_text())
    last = json.loads((workdir / "metrics.jsonl").read_text().splitlines()[-1])
    return results | {"minutes": float(clock.read_text()), "last_metrics": last}


def eigenfaces() -> dict[str, Any]:
    """Turk and Pentland 1991: principal components of the grey pixels, whitened.

    Fitted on the photos of the people that the networks are trained on, compared by
    the angle between their components.
    """
    records = open_lfw(default_cache_dir(), "dlib", 96)
    split = lfw_split(
        records, "view1", heldout_share=0.1, min_photos=2, max_photos=0, seed=0
    )

    def pixels(indices: np.ndarray) -> np.ndarray:
        grey = records.images(indices).mean(-1, dtype=np.float32)
        return grey.reshape(len(grey), -1) / 255

    pca = PCA(COMPONENTS, whiten=True, svd_solver="randomized", random_state=0)
    pca.fit(pixels(split.train_indices))
    vectors = pca.transform(pixels(split.unseen_indices))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = split.pairs
    verification = verify(
        squared_distances(vectors, pairs.rows),
        pairs.rows,
        pairs.same,
        pairs.folds,
        identities=split.unseen_labels[pairs.rows],
        seed=0,
        protocol=pairs.protocol,
    )
    return {"verification": verification.summary()}


def commit() -> str:
    """The commit that the code is of; there must be nothing beside it."""
    status = ["git", "status", "--porcelain", "cl_facenet", "configs"]
    if subprocess.check_output(status):
        raise SystemExit("commit first: results are of a commit")
    git = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.check_output(git, text=True).strip()


def table(results: dict[str, dict[str, Any]]) -> str:
    """Markdown: a row a variant."""
    lines = ["| | accuracy (95 % interval) | AUC | equal error rate |", "|-|-|-|-|"]
    for variant, result in results.items():
        measured = result["verification"]
        cells = [cell(measured, key) for key in ("accuracy_mean", "auc", "eer")]
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    lines.append("| chance | 0.5 | 0.5 | 0.5 |")
    return "\n".join(lines) + "\n"


def cell(measured: dict[str, Any], key: str) -> str:
    """A value and its interval."""
    low, high = measured["intervals"][key]
    return f"{measured[key]:.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    """Both trainings, then the files beside this one."""
    about = {
        "date": date.today().isoformat(),
        "commit": commit(),
        "machine": f"{os.cpu_count()} x {processor()}",
        "python": platform.python_version(),
        "jax": jax.__version__,
    }
    directory = RUNS / about["commit"]
    directory.mkdir(parents=True, exist_ok=True)
    results = {variant: train(directory, variant) for variant in VARIANTS}
    results["eigenfaces"] = eigenfaces()
    content = {"about": about, "results": results}
    (HERE / "results.json").write_text(json.dumps(content, indent=1) + "\n")
    (HERE / "table.md").write_text(table(results))
    shutil.copytree(
        directory / "softmax-+-center-loss" / "report",
        HERE / "report",
        dirs_exist_ok=True,
    )
    print(table(results))


def processor() -> str:
    """What the processor calls itself."""
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
