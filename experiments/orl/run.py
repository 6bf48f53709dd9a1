"""ORL, three seeds, with center loss and without: python experiments/orl/run.py

Runs the plain command for each, writes results.json (all of it) and table.md beside
this file, and copies the pictures of the first run. Interrupted, it goes on. The code
must be committed, and its commit names the directory of the runs.
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

HERE = Path(__file__).parent
RUNS = Path("runs/orl")
SEEDS = (0, 1, 2)
VARIANTS = {
    "softmax + center loss": (),
    "softmax alone": ("--config.center.weight=0.0",),
}
COLUMNS = {
    "held-out accuracy": ("classification", "accuracy"),
    "AUC": ("verification", "auc"),
    "equal error rate": ("verification", "eer"),
    "10-fold accuracy": ("verification", "accuracy_mean"),
}


def run(directory: Path, variant: str, seed: int) -> dict[str, Any]:
    """The results of one training, with its minutes and its last metrics."""
    workdir = directory / f"{variant.replace(' ', '-')}-{seed}"
    command = [sys.executable, "-m", "cl_facenet.main", "--config=configs/nn4.py"]
    command += [f"--config.seed={seed}", f"--workdir={workdir}", *VARIANTS[variant]]
    clock = workdir.with_suffix(".minutes")
    before = float(clock.read_text()) if clock.exists() else 0.0
    if not (workdir / "results.json").exists():
        started = time.monotonic()
        try:
            subprocess.run(command, check=True)
        finally:
            clock.write_text(str(before + (time.monotonic() - started) / 60))
    results = json.loads((workdir / "results.json").read_text())
    last = json.loads((workdir / "metrics.jsonl").read_text().splitlines()[-1])
    minutes = float(clock.read_text())
    return results | {"seed": seed, "minutes": minutes, "last_metrics": last}


def commit() -> str:
    """The commit that the code is of; there must be nothing beside it."""
    status = ["git", "status", "--porcelain", "cl_facenet", "configs"]
    if subprocess.check_output(status):
        raise SystemExit("commit first: results are of a commit")
    git = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.check_output(git, text=True).strip()


def cell(values: list[float]) -> str:
    """Mean and range over the seeds."""
    return f"{np.mean(values):.4f} ({min(values):.4f} to {max(values):.4f})"


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown: a row a variant."""
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|-|" + "-|" * len(COLUMNS)]
    for variant, runs in results.items():
        cells = [cell([r[part][key] for r in runs]) for part, key in COLUMNS.values()]
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """All runs, then the files beside this one."""
    about = {
        "date": date.today().isoformat(),
        "commit": commit(),
        "machine": f"{os.cpu_count()} x {processor()}",
        "python": platform.python_version(),
        "jax": jax.__version__,
    }
    directory = RUNS / about["commit"]
    directory.mkdir(parents=True, exist_ok=True)
    results = {v: [run(directory, v, seed) for seed in SEEDS] for v in VARIANTS}
    content = {"about": about, "results": results}
    (HERE / "results.json").write_text(json.dumps(content, indent=1) + "\n")
    (HERE / "table.md").write_text(table(results))
    for picture in (directory / "softmax-+-center-loss-0" / "report").glob("*.png"):
        shutil.copy(picture, HERE)
    print(table(results))


def processor() -> str:
    """What the processor calls itself."""
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
