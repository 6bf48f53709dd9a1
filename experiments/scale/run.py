"""What a training of many people takes: seconds a step and memory, measured.

python -m experiments.scale.run [--steps=7] [--rounds=3]

A process for every line, on one device if it names no more; lines take turns, round
after round. It writes results.json
and table.md beside itself; `paper.py` computes from the formulas what no machine here
has room for.
"""

import argparse
import json
import socket
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments import runs
from experiments.scale.paper import COPIES, people_bytes

HERE = Path(__file__).parent
BATCH = 64
# Name, people, config keys, processes.
LINES: tuple[tuple[str, int, dict[str, Any], int], ...] = (
    ("1 k people", 1_000, {}, 1),
    ("100 k people", 100_000, {}, 1),
    ("1 M people", 1_000_000, {}, 1),
    ("1 M people, a tenth of them a step", 1_000_000, {"loss.class_share": 0.1}, 1),
    ("1 M people, 8 made-up devices", 1_000_000, {"parallel.model_axis": 8}, 1),
    (
        "1 M people, 8 made-up devices, a tenth of them a step",
        1_000_000,
        {"parallel.model_axis": 8, "loss.class_share": 0.1},
        1,
    ),
    ("1 k people, blocks computed anew", 1_000, {"model.remat": True}, 1),
    ("1 k people, in 4 parts", 1_000, {"micro_batches": 4}, 1),
    ("1 k people, 2 processes", 1_000, {}, 2),
    ("1 k people, 4 processes", 1_000, {}, 4),
    ("1 k people, 2 processes, pmap", 1_000, {"parallel.mode": "pmap"}, 2),
)


def measure(people: int, changes: Any, processes: int, steps: int) -> dict[str, Any]:
    """What the first of so many processes says."""
    command = [sys.executable, "-m", "experiments.scale.step"]
    command += [str(people), str(BATCH), str(steps), json.dumps(changes)]
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    devices = changes.get("parallel.model_axis", 1)
    made_up = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    hosts = ",".join([f"localhost:{port}", *["localhost"] * (processes - 1)])
    started = [
        subprocess.Popen(
            command + ([hosts, str(number)] if processes > 1 else []),
            stdout=subprocess.PIPE,
            text=True,
            env=runs.ENVIRONMENT | made_up,
        )
        for number in range(processes)
    ]
    said = [process.communicate()[0].splitlines()[-1] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit("a process ended with an error; what it said is above")
    answers = [json.loads(line) for line in said]
    return answers[0] | {"peak_bytes": sum(a["peak_bytes"] for a in answers)}


def table(results: dict[str, Sequence[dict[str, Any]]]) -> str:
    """A row a line, medians of the rounds."""
    rows = []
    for name, people, changes, processes in LINES:
        own = results[name]
        seconds = [one["seconds"] for one in own]
        peak = max(one["peak_bytes"] for one in own)
        estimate = own[0]["state_bytes"] + own[0]["step_bytes"]
        devices = changes.get("parallel.model_axis", 1)
        whole = not set(changes) - {"parallel.model_axis"} and processes == 1
        formula = people_bytes(people, BATCH, devices) / 2**30 if whole else None
        rows.append(
            [
                name,
                f"{1000 * statistics.median(seconds):.0f}",
                f"{1000 * min(seconds):.0f} to {1000 * max(seconds):.0f}",
                f"{BATCH / statistics.median(seconds):.1f}",
                f"{estimate / 2**30:.2f}",
                f"{formula:.2f}" if formula is not None else "",
                f"{peak / 2**30:.2f}",
            ]
        )
    head = ["", "ms a step", "rounds", "photos/s", "GiB a device, told before"]
    head += ["GiB of people, by the formula", "GiB at most, all processes"]
    return runs.markdown(head, rows)


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    results: dict[str, list[dict[str, Any]]] = {name: [] for name, *_ in LINES}
    for _ in range(given.rounds):
        for name, *line in LINES:
            results[name].append(measure(*line, given.steps))
            print(name, results[name][-1], flush=True)
    runs.write(HERE, runs.setting(), results, table(results))
    print(f"copies: {COPIES}")


if __name__ == "__main__":
    main()
