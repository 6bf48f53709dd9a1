"""The training step and the embedding against PyTorch's and onnxruntime's, in one run.

python experiments/speed/run.py [--rounds=5] [--steps=5] [--out=FILE.json]

Both are the extra `bench`. Every side of a comparison is a process of its own, and they
take turns: a few steps each, round after round. Ratios are of the medians of the
rounds, above 1 where cl_facenet is faster. All get the same allocator settings. Beside
FILE.json there are then FILE.md, the table, and FILE.png, the picture.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # run as a file, it finds the other experiments

from experiments import runs  # noqa: E402
from experiments.speed.picture import draw  # noqa: E402
from experiments.turns import Worker, take_turns  # noqa: E402

HERE = Path(__file__).parent
TORCH = ("eager", "compile")
TRAIN, INFER, INFER_ONE = "train:nn4:64", "infer:nn4:64", "infer:nn4:1"
PRODUCT = "product:2048"
# What is measured, and whose turns there are.
TASKS = {
    PRODUCT: ("numpy",),
    TRAIN: ("jax", *TORCH),
    INFER: ("jax", "bare", "onnx", *TORCH),
    INFER_ONE: ("jax", "bare", "onnx", *TORCH),
    "train:nn2:16": ("jax",),
    "train:inception_resnet_v1:32": ("jax",),
}
TITLES = {
    "train": "training step of {} photos",
    "infer": "embedding of {} photos",
}


def start(side: str, task: str, environment: Mapping[str, str]) -> Worker:
    """The process that does one side's task."""
    command = ["-m", "experiments.speed.worker", side, task]
    return Worker(command, runs.ENVIRONMENT | environment)


def compare(
    task: str, sides: Sequence[str], rounds: int, steps: int
) -> dict[str, dict[str, Any]]:
    """All sides of one task in turn; then each once more, for its start when warm."""
    with tempfile.TemporaryDirectory() as caches:
        environment = {
            "JAX_COMPILATION_CACHE_DIR": f"{caches}/jax",
            "TORCHINDUCTOR_CACHE_DIR": f"{caches}/torch",
        }
        workers = {side: start(side, task, environment) for side in sides}
        measured = take_turns(workers, rounds, steps)
        counted = {s: w.ask("count") for s, w in workers.items() if s == "eager"}
        for worker in workers.values():
            worker.close()
        warm = {}
        for side in sides:
            again = start(side, task, environment)
            warm[side] = again.start_seconds
            again.close()
    return {
        side: {
            "cold_start_seconds": workers[side].start_seconds,
            "warm_start_seconds": warm[side],
            "operations": counted.get(side, {}).get("operations"),
            **measured[side],
        }
        for side in sides
    }


def ratios_of(measured: Mapping[str, Any]) -> dict[str, float]:
    """How many times as fast we are."""

    def ratio(task: str, side: str) -> float:
        return measured[task][side]["seconds"] / measured[task]["jax"]["seconds"]

    return {
        "train_vs_compile": ratio(TRAIN, "compile"),
        "train_vs_eager": ratio(TRAIN, "eager"),
        "infer_vs_compile": ratio(INFER, "compile"),
        "infer_vs_eager": ratio(INFER, "eager"),
        "infer_vs_bare": ratio(INFER, "bare"),
        "infer_vs_onnx": ratio(INFER, "onnx"),
        "infer_one_vs_compile": ratio(INFER_ONE, "compile"),
        "infer_one_vs_eager": ratio(INFER_ONE, "eager"),
        "infer_one_vs_onnx": ratio(INFER_ONE, "onnx"),
    }


def table(measured: Mapping[str, Any]) -> str:
    """A row a task and side."""
    size = int(PRODUCT.partition(":")[2])
    peak = 2 * size**3 / measured[PRODUCT]["numpy"]["seconds"]
    rows = []
    for task, sides in measured.items():
        kind, *of = task.split(":")
        if kind == "product":
            continue
        operations = next(
            (o["operations"] for o in sides.values() if o["operations"]), 0
        )
        for side, own in sides.items():
            per_round = [1000 * statistics.median(s) for s in own["rounds"]]
            rate = operations / own["seconds"]
            rows.append(
                [
                    f"{of[0]}, {TITLES[kind].format(of[1])}",
                    side,
                    f"{1000 * own['seconds']:.1f}",
                    f"{min(per_round):.1f} to {max(per_round):.1f}",
                    f"{int(of[1]) / own['seconds']:.1f}",
                    f"{rate / 1e9:.0f} ({rate / peak:.0%})" if operations else "",
                    f"{own['peak_bytes'] / 2**30:.2f}",
                    f"{own['cold_start_seconds']:.1f}",
                    f"{own['warm_start_seconds']:.1f}",
                ]
            )
    head = ["", "", "ms", "rounds", "photos/s", "GFLOP/s (of the matrix peak)"]
    head += ["peak GiB", "s to the first, cold", "warm"]
    return runs.markdown(head, rows) + f"\nMatrix products: {peak / 1e9:.0f} GFLOP/s.\n"


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    given = parser.parse_args()
    measured = {
        task: compare(task, sides, given.rounds, given.steps)
        for task, sides in TASKS.items()
    }
    content = {
        "about": runs.setting()
        | {package: version(package) for package in ("torch", "onnxruntime")}
        | {"cores": len(os.sched_getaffinity(0))},
        "ratios": ratios_of(measured),
        "measured": measured,
    }
    given.out.write_text(json.dumps(content, indent=1) + "\n")
    given.out.with_suffix(".md").write_text(table(measured))
    draw(content, given.out.with_suffix(".png"))
    print(table(measured))
    for name, ratio in content["ratios"].items():
        print(f"{name} {ratio:.2f}")


if __name__ == "__main__":
    main()
