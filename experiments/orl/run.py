"""ORL, three seeds, with center loss and without: python experiments/orl/run.py

Runs the plain command for each, writes results.json (all of it) and table.md beside
this file, and copies the pictures of the first run. Interrupted, it goes on.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

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


def run(variant: str, seed: int) -> dict:
    """The results of one training, with the minutes it took and its last metrics."""
    workdir = RUNS / f"{variant.replace(' ', '-')}-{seed}"
    command = [sys.executable, "-m", "cl_facenet.main", "--config=configs/nn4.py"]
    command += [f"--config.seed={seed}", f"--workdir={workdir}", *VARIANTS[variant]]
    subprocess.run(command, check=True)
    results = json.loads((workdir / "results.json").read_text())
    started = (workdir / "config.json").stat().st_mtime
    minutes = ((workdir / "results.json").stat().st_mtime - started) / 60
    last = json.loads((workdir / "metrics.jsonl").read_text().splitlines()[-1])
    return results | {"seed": seed, "minutes": minutes, "last_metrics": last}


def cell(values: list[float]) -> str:
    """Mean and range over the seeds."""
    return f"{np.mean(values):.4f} ({min(values):.4f} to {max(values):.4f})"


def table(results: dict[str, list[dict]]) -> str:
    """Markdown: a row a variant."""
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|-|" + "-|" * len(COLUMNS)]
    for variant, runs in results.items():
        cells = [cell([r[part][key] for r in runs]) for part, key in COLUMNS.values()]
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """All runs, then the files beside this one."""
    results = {v: [run(v, seed) for seed in SEEDS] for v in VARIANTS}
    git = ["git", "rev-parse", "--short", "HEAD"]
    about = {
        "date": date.today().isoformat(),
        "commit": subprocess.check_output(git, text=True).strip(),
        "machine": f"{os.cpu_count()} x {platform.processor() or platform.machine()}",
        "python": platform.python_version(),
        "jax": jax.__version__,
    }
    content = {"about": about, "results": results}
    (HERE / "results.json").write_text(json.dumps(content, indent=1) + "\n")
    (HERE / "table.md").write_text(table(results))
    report = RUNS / "softmax-+-center-loss-0" / "report"
    for picture in report.glob("*.png"):
        shutil.copy(picture, HERE)
    print(table(results))


if __name__ == "__main__":
    main()
