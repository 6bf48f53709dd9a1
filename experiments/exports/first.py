"""How long until the first vectors, or the first answer, from the start of a process.

python -m experiments.exports.first A.jpg B.jpg [--before=DIR] [--times=9]

Of the shipped embedder, in Python and at the shell: cold, with nothing compiled in the
cache folder, and warm, with what the cold process left there. DIR is a checkout of an
earlier commit, which is measured in turn with this one. Where the time goes is told by
a process that looks at the clock; `jax.monitoring` tells it of tracing and compiling.
Writes first.json and first.md.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import runs
from experiments.turns import ROOT

IN_PYTHON = """
import sys
import cl_facenet
embedder = cl_facenet.load("nn4_small2_lfw")
print(embedder([sys.argv[1]]).shape, flush=True)
"""
# A photo that was aligned before, as a service may have it: without dlib.
OF_A_SQUARE = """
import numpy as np
import cl_facenet
embedder = cl_facenet.load("nn4_small2_lfw")
squares = np.zeros((1, 96, 96, 3), np.uint8)
vectors = embedder(squares, prepared_as=embedder.preprocessing.describe())
print(vectors.shape, flush=True)
"""
STAGES = """
import json, sys, time
clock = time.perf_counter
times = [clock()]
import jax; times.append(clock())
import flax.linen; times.append(clock())
import cl_facenet.loading; times.append(clock())
inside = {"of these, tracing": 0.0, "lowering": 0.0, "compiling, or its cache": 0.0}
events = dict(zip(("jaxpr_trace", "jaxpr_to_mlir_module", "backend_compile"), inside))
def listen(event, seconds, **_):
    name = event.rpartition("/")[2].removesuffix("_duration")
    if name in events:
        inside[events[name]] += seconds
jax.monitoring.register_event_duration_secs_listener(listen)
embedder = cl_facenet.loading.load("nn4_small2_lfw"); times.append(clock())
image = cl_facenet.embedder.open_photo(sys.argv[1])
square = embedder.preprocessing(image).pixels[None]; times.append(clock())
how = embedder.preprocessing.describe()
embedder(square, prepared_as=how); times.append(clock())
embedder(square, prepared_as=how); times.append(clock())
names = ("warm: import jax", "import flax", "import cl_facenet", "load",
         "dlib, its models, one face", "first vectors", "second vectors")
stages = dict(zip(names, (b - a for a, b in zip(times, times[1:]))))
print(json.dumps(stages | inside), flush=True)
"""
COMPARE = [str(Path(sys.executable).with_name("cl-facenet")), "compare"]


def commands(photos: Sequence[str]) -> dict[str, list[str]]:
    """What is measured, by its name in the table."""
    one = photos[0]
    return {
        "a photo in Python": [sys.executable, "-c", IN_PYTHON, one],
        "a square, aligned before": [sys.executable, "-c", OF_A_SQUARE],
        "`cl-facenet compare A B`": [*COMPARE, *photos],
        "`import jax` alone": [
            sys.executable,
            "-c",
            "import jax; print(1, flush=True)",
        ],
    }


def first_line(
    command: Sequence[str], code: Path, environment: Mapping[str, str]
) -> tuple[float, str]:
    """Seconds from the start of a process to its first line, and that line."""
    started = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=code, env=environment
    ) as process:
        line = process.stdout.readline()
        seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with status {process.returncode}")
    return seconds, line


def measure(photos: Sequence[str], code: Path) -> dict[str, float]:
    """Seconds of every command, cold and then warm; and the stages of one, warm."""
    seconds, stages = {}, {}
    for name, command in commands(photos).items():
        with tempfile.TemporaryDirectory() as cache:
            own = {"PYTHONPATH": str(code), "XDG_CACHE_HOME": cache}
            environment = os.environ | {"JAX_PLATFORMS": "cpu"} | own
            for kind in ("cold", "warm"):
                seconds[f"{name}, {kind}"], _ = first_line(command, code, environment)
            if command[2] == IN_PYTHON:
                watch = [sys.executable, "-c", STAGES, photos[0]]
                stages = json.loads(first_line(watch, code, environment)[1])
    return seconds | stages


def table(rounds: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """A row a figure, a column a commit: medians and ranges of the rounds."""
    names = next(iter(rounds.values()))[0]
    rows = [
        [name, *(_with_range([one[name] for one in own]) for own in rounds.values())]
        for name in names
    ]
    return runs.markdown(["seconds", *rounds], rows)


def _with_range(seconds: Sequence[float]) -> str:
    median = statistics.median(seconds)
    return f"{median:.2f} ({min(seconds):.2f} to {max(seconds):.2f})"


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs=2, type=os.path.abspath)
    parser.add_argument("--before", type=os.path.abspath)
    parser.add_argument("--times", type=int, default=9)
    given = parser.parse_args()
    codes = {_commit(code): Path(code) for code in (given.before, ROOT) if code}
    rounds: dict[str, list[Any]] = {commit: [] for commit in codes}
    for _ in range(given.times):
        for commit, code in codes.items():
            rounds[commit].append(measure(given.photos, code))
    content = {"about": runs.setting(), "rounds": rounds}
    out = Path(__file__).with_suffix(".json")
    out.write_text(json.dumps(content, indent=1) + "\n")
    out.with_suffix(".md").write_text(table(rounds))
    print(table(rounds))


def _commit(code: str | Path) -> str:
    git = ["git", "-C", code, "rev-parse", "--short", "HEAD"]
    return subprocess.check_output(git, text=True).strip()


if __name__ == "__main__":
    main()
