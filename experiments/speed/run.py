"""The training step and the embedding against PyTorch's, in one run.

python experiments/speed/run.py [--rounds=5] [--steps=5] [--out=FILE.json]

PyTorch is the extra `bench`. Every side of a comparison is a process of its own, and
they take turns: a few steps each, round after round. Ratios are of the medians of the
rounds, above 1 where cl_facenet is faster. All get the same allocator settings.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # run as a file, it finds the other experiments

from experiments import runs  # noqa: E402
from experiments.speed.worker import BATCH_SIZE  # noqa: E402

HERE = Path(__file__).parent
SIDES = ("jax", "eager", "compile")
TASKS = ("train", f"infer:{BATCH_SIZE}", "infer:1")
TITLES = {
    "train": f"training step, {BATCH_SIZE} photos",
    f"infer:{BATCH_SIZE}": f"embedding {BATCH_SIZE} photos",
    "infer:1": "embedding one photo",
}


class Worker:
    """A process that does one side's task when asked to."""

    def __init__(self, side: str, task: str) -> None:
        command = [sys.executable, "-m", "experiments.speed.worker", side, task]
        started = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=runs.ENVIRONMENT,
        )
        self.first = self.answer()
        self.first["from_command"] = time.perf_counter() - started

    def answer(self) -> dict[str, Any]:
        """The next line that it says."""
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a worker ended early; what it said is above")
        return json.loads(line)

    def ask(self, times: int) -> dict[str, Any]:
        """Seconds of so many times, and the most memory during them."""
        self.process.stdin.write(f"{times}\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        """Ends it."""
        self.process.stdin.close()
        self.process.wait()


def compare(task: str, rounds: int, steps: int) -> dict[str, Any]:
    """All sides of one task in turn."""
    workers = {side: Worker(side, task) for side in SIDES}
    answers: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for _ in range(rounds):
        for side, worker in workers.items():
            answers[side].append(worker.ask(steps))
    for worker in workers.values():
        worker.close()
    return {
        side: {
            "first": workers[side].first,
            "rounds": [own["seconds"] for own in answers[side]],
            "seconds": statistics.median(
                statistics.median(own["seconds"]) for own in answers[side]
            ),
            "peak_bytes": max(own["memory"] for own in answers[side]),
        }
        for side in SIDES
    }


def ratios_of(measured: dict[str, Any]) -> dict[str, float]:
    """How many times as fast we are."""

    def ratio(task: str, side: str) -> float:
        return measured[task][side]["seconds"] / measured[task]["jax"]["seconds"]

    return {
        "train_vs_compile": ratio("train", "compile"),
        "train_vs_eager": ratio("train", "eager"),
        "infer_vs_compile": ratio(f"infer:{BATCH_SIZE}", "compile"),
        "infer_vs_eager": ratio(f"infer:{BATCH_SIZE}", "eager"),
        "infer_one_vs_compile": ratio("infer:1", "compile"),
        "infer_one_vs_eager": ratio("infer:1", "eager"),
    }


def table(measured: dict[str, Any]) -> str:
    """A row a task and side."""
    rows = []
    for task, sides in measured.items():
        for side, own in sides.items():
            per_round = [statistics.median(seconds) for seconds in own["rounds"]]
            size = 1 if task == "infer:1" else BATCH_SIZE
            rows.append(
                [
                    TITLES[task],
                    side,
                    f"{own['seconds'] * 1000:.1f}",
                    f"{min(per_round) * 1000:.1f} to {max(per_round) * 1000:.1f}",
                    f"{size / own['seconds']:.1f}",
                    f"{own['peak_bytes'] / 2**30:.2f}",
                    f"{own['first']['from_command']:.1f}",
                ]
            )
    head = ["", "", "ms", "rounds", "photos/s", "peak GiB", "s to the first"]
    return runs.markdown(head, rows)


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    given = parser.parse_args()
    measured = {task: compare(task, given.rounds, given.steps) for task in TASKS}
    content = {
        "about": runs.setting() | {"cores": len(os.sched_getaffinity(0))},
        "ratios": ratios_of(measured),
        "measured": measured,
    }
    given.out.write_text(json.dumps(content, indent=1) + "\n")
    print(table(measured))
    for name, ratio in content["ratios"].items():
        print(f"{name} {ratio:.2f}")


if __name__ == "__main__":
    main()
