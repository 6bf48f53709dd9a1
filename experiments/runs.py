"""What experiments have in common: trainings by the plain command, and what is kept.

An experiment is a module that is run from the repository's root, `python -m
experiments.NAME.run`. It trains in runs/NAME/COMMIT, so the code must be committed, and
goes on where it was interrupted; it writes results.json, table.md and pictures beside
itself.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import jax
import numpy as np

from cl_facenet import huge_pages

# As cl_facenet.main would give it to itself: the peers that it is measured against, and
# parts of it that are run by themselves, shall have it too.
ENVIRONMENT = os.environ | huge_pages.ENVIRONMENT

# Columns of a table: what a verification calls them.
VERIFICATION = {
    "accuracy (95 % interval)": "accuracy_mean",
    "AUC": "auc",
    "equal error rate": "eer",
}

Results = dict[str, Any]


def begin(experiment: str) -> tuple[Path, dict[str, str]]:
    """Where an experiment trains; and when, by which commit and on what machine.

    Raises:
      SystemExit: the code is not that of its commit.
    """
    status = ["git", "status", "--porcelain", "cl_facenet", "configs"]
    if subprocess.check_output(status):
        raise SystemExit("commit first: results are of a commit")
    about = setting()
    directory = Path("runs", experiment, about["commit"])
    directory.mkdir(parents=True, exist_ok=True)
    return directory, about


def setting() -> dict[str, str]:
    """When, by which commit and on what machine this is measured."""
    git = ["git", "rev-parse", "--short", "HEAD"]
    return {
        "date": date.today().isoformat(),
        "commit": subprocess.check_output(git, text=True).strip(),
        "machine": f"{os.cpu_count()} x {_processor()}",
        "python": platform.python_version(),
        "jax": jax.__version__,
    }


def train_all(
    directory: Path, trainings: Mapping[str, Sequence[str]], *, at_once: int = 1
) -> dict[str, Results]:
    """The results of trainings, each by the flags of cl_facenet.main.

    Each has `workdir`, the `minutes` it took, its `photos_per_second` (the median of
    what it logged) and the rows of its `metrics`. `at_once` of them run beside each
    other, each on its own share of the cores (Linux; taskset).
    """
    cores = sorted(os.sched_getaffinity(0)) if at_once > 1 else []
    free: SimpleQueue[list[int]] = SimpleQueue()
    for first in range(at_once):
        free.put(cores[first::at_once])

    def train(name: str) -> Results:
        own = free.get()
        try:
            return _train(directory / name.replace(" ", "-"), trainings[name], own)
        finally:
            free.put(own)

    with ThreadPoolExecutor(at_once) as pool:
        return dict(zip(trainings, pool.map(train, trainings), strict=True))


def _train(workdir: Path, flags: Sequence[str], cores: Sequence[int]) -> Results:
    """One training, on some cores or on all."""
    command = [sys.executable, "-m", "cl_facenet.main", *flags, f"--workdir={workdir}"]
    if cores:
        command = ["taskset", "-c", ",".join(map(str, cores)), *command]
    clock = workdir.parent / f"{workdir.name}.minutes"
    before = float(clock.read_text()) if clock.exists() else 0.0
    if not (workdir / "results.json").exists():
        started = time.monotonic()
        try:
            subprocess.run(command, check=True, env=ENVIRONMENT)
        finally:
            clock.write_text(str(before + (time.monotonic() - started) / 60))
    metrics = (workdir / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in metrics]
    speeds = [row["train/photos_per_second"] for row in rows[1:]]  # 1st: compiling
    results = json.loads((workdir / "results.json").read_text())
    del results["data"]  # names, which the seed decides
    return results | {
        "workdir": str(workdir),
        "minutes": float(clock.read_text()),
        "photos_per_second": float(np.median(speeds)),
        "metrics": rows,
    }


def write(here: Path, about: Mapping[str, str], results: Any, table: str) -> None:
    """Keeps all results, what they were measured with, and the table of them."""
    content = {"about": about, "results": results}
    (here / "results.json").write_text(json.dumps(content, indent=1) + "\n")
    (here / "table.md").write_text(table)
    print(table)


def keep_report(here: Path, result: Results) -> None:
    """Copies a training's report."""
    source = Path(result["workdir"], "report")
    shutil.copytree(source, here / "report", dirs_exist_ok=True)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is `head`."""
    lines = [head, ["-"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def verification_cells(result: Results) -> list[str]:
    """The values of VERIFICATION, each with its interval over people."""
    measured = result["verification"]
    return [with_interval(measured, key) for key in VERIFICATION.values()]


def with_interval(verification: Results, key: str) -> str:
    """One of its values, with its interval over people."""
    low, high = verification["intervals"][key]
    return f"{verification[key]:.3f} ({low:.3f} to {high:.3f})"


def with_range(values: Sequence[float], digits: int = 4) -> str:
    """The mean over seeds, and their range."""
    low, mean, high = min(values), np.mean(values), max(values)
    return f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _processor() -> str:
    """What the processor calls itself."""
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return names[0] if names else platform.machine()
