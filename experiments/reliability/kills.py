"""Kills a training at random moments and looks whether its end is any different.

python -m experiments.reliability.kills --kills=20

One training is left alone. Another is killed (SIGKILL) up to half a minute after each
of its starts: while it imports, compiles, trains, saves, evaluates. Once it has ended,
the arrays of its last checkpoint, its metrics and its results are compared with those
of the first, bit for bit; if kills are left, one more training is begun.
"""

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from experiments import runs

HERE = Path(__file__).parent
LONGEST = 30.0  # seconds from a start to its kill
FLAGS = (
    "--config=configs/nn4.py:synthetic",
    "--config.data.synthetic.num_people=12",
    "--config.batch_size=8",
    "--config.num_epochs=20",
    "--config.log_every_steps=4",
    "--config.checkpoint_every_steps=15",
)
OF_THE_CLOCK = ("train/photos_per_second", "train/data_wait_share")


def start(workdir: Path) -> subprocess.Popen[bytes]:
    """The training, by the plain command."""
    command = [sys.executable, "-m", "cl_facenet.main", *FLAGS, f"--workdir={workdir}"]
    with (workdir.parent / f"{workdir.name}.log").open("ab") as log:
        return subprocess.Popen(command, env=runs.ENVIRONMENT, stdout=log, stderr=log)


def steps(workdir: Path) -> tuple[int | None, int | None]:
    """The newest step of a checkpoint, and of a line of metrics."""
    names = [path.name for path in workdir.glob("checkpoints/*")]
    saved = max((int(name) for name in names if name.isdigit()), default=None)
    lines = [row["step"] for row in metrics_of(workdir)]
    return saved, max(lines, default=None)


def metrics_of(workdir: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl, but for what the clock says."""
    from cl_facenet.metrics import read_metrics

    rows = read_metrics(workdir / "metrics.jsonl")
    return [{k: x for k, x in row.items() if k not in OF_THE_CLOCK} for row in rows]


def arrays_of(workdir: Path) -> dict[str, np.ndarray]:
    """All arrays of the last checkpoint, by their paths."""
    import jax
    import orbax.checkpoint as ocp

    saved, _ = steps(workdir)
    path = workdir.absolute() / "checkpoints" / str(saved) / "state"
    tree = ocp.PyTreeCheckpointer().restore(path)
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(p): np.asarray(x) for p, x in leaves}


def differences(one: Path, other: Path) -> list[str]:
    """What is not the same, bit for bit."""
    ours, theirs = arrays_of(one), arrays_of(other)
    if ours.keys() != theirs.keys():
        return ["the checkpoint's arrays"]
    found = [k for k in ours if ours[k].tobytes() != theirs[k].tobytes()]
    if metrics_of(one) != metrics_of(other):
        found.append("metrics.jsonl")
    if (one / "results.json").read_text() != (other / "results.json").read_text():
        found.append("results.json")
    return found


def kill_and_resume(workdir: Path, kills: int, rng: random.Random) -> list[dict]:
    """Kills a training up to so many times, and lets it end."""
    killed: list[dict] = []
    while len(killed) < kills:
        process, after = start(workdir), rng.uniform(0, LONGEST)
        try:
            if process.wait(after) == 0:
                return killed
            raise SystemExit(f"{workdir} ended by itself: see its log")
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        saved, line = steps(workdir)
        killed.append({"seconds": after, "saved": saved, "metrics": line})
        print(killed[-1], flush=True)
    if start(workdir).wait() != 0:
        raise SystemExit(f"{workdir} did not go on: see its log")
    return killed


def main() -> None:
    """Trains, kills, compares, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    directory, about = runs.begin("reliability")
    whole, rng = directory / "whole", random.Random(given.seed)
    if start(whole).wait() != 0:
        raise SystemExit(f"{whole} did not end: see its log")
    trainings = []
    left = given.kills
    while left:
        workdir = directory / f"killed-{len(trainings)}"
        killed = kill_and_resume(workdir, left, rng)
        left -= len(killed)
        different = differences(whole, workdir)
        trainings.append({"kills": killed, "different": different})
    rows = [
        [
            f"{number}",
            f"{kill['seconds']:.1f}",
            "none" if kill["saved"] is None else f"{kill['saved']}",
            "none" if kill["metrics"] is None else f"{kill['metrics']}",
            ", ".join(training["different"]) or "nothing",
        ]
        for number, training in enumerate(trainings, 1)
        for kill in training["kills"]
    ]
    head = ["training", "killed after s", "saved step", "metrics to step"]
    head.append("different in the end")
    (HERE / "kills.json").write_text(
        json.dumps({"about": about, "trainings": trainings}, indent=1) + "\n"
    )
    (HERE / "kills.md").write_text(runs.markdown(head, rows))
    print(runs.markdown(head, rows))


if __name__ == "__main__":
    main()
