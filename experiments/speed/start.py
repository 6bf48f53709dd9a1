"""How long does a training take from the command to its first logged step?

python -m experiments.speed.start

With an empty cache of compiled programs, and then with what that training left in it,
several times. Writes start.json beside this file.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from experiments import runs

COLD, WARM = 3, 3  # times; so many warm ones after each cold one
COMMAND = [sys.executable, "-m", "cl_facenet.main", "--config=configs/nn4.py"]
FLAGS = ["--config.log_every_steps=1"]
GIVEN_UP_AFTER = 300.0  # seconds


def seconds_to_first_step(programs: str) -> float:
    """Of a training that is ended there; compiled programs are in a folder."""
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": programs}
    with tempfile.TemporaryDirectory() as workdir:
        metrics = Path(workdir, "run", "metrics.jsonl")
        command = [*COMMAND, *FLAGS, f"--workdir={metrics.parent}"]
        started = time.monotonic()
        with subprocess.Popen(command, env=environment) as training:
            try:
                while not (metrics.exists() and metrics.stat().st_size):
                    elapsed = time.monotonic() - started
                    if training.poll() is not None or elapsed > GIVEN_UP_AFTER:
                        raise SystemExit("no step was logged")
                    time.sleep(0.01)
                return time.monotonic() - started
            finally:
                training.kill()


def main() -> None:
    """All of them, one after another."""
    cold, warm = [], []
    for _ in range(COLD):
        with tempfile.TemporaryDirectory() as programs:
            cold.append(seconds_to_first_step(programs))
            warm += [seconds_to_first_step(programs) for _ in range(WARM)]
    about = runs.setting() | {"command": " ".join(["python", *COMMAND[1:], *FLAGS])}
    results = about | {"cold": cold, "warm": warm}
    out = Path(__file__).with_suffix(".json")
    out.write_text(json.dumps(results, indent=1) + "\n")
    for name, seconds in (("cold", cold), ("warm", warm)):
        print(
            f"{name}: {np.median(seconds):.1f} s, {min(seconds):.1f} to "
            f"{max(seconds):.1f} of {len(seconds)}"
        )


if __name__ == "__main__":
    main()
