"""Who is nearest among many: by NumPy, by faiss, and by a loop.

python -m experiments.gallery.run [--rounds=5] [--steps=3]

Needs the extra `bench`. Each side is a process of its own; they take turns. Vectors are
made up, 128 numbers each, four photos a person; all sides shall name the same people.
Writes results.json and table.md.
"""

import argparse
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

from experiments import runs
from experiments.gallery import worker
from experiments.turns import Worker, in_milliseconds, take_turns

HERE = Path(__file__).parent
SIZES, PROBES = (10_000, 100_000, 1_000_000), (1, 64)
TITLES = {
    "numpy": "`Gallery.nearest` by NumPy",
    "faiss": "`Gallery.nearest` by faiss",
    "loop": "a loop over every distance",
    "index": "faiss `IndexFlatIP` alone",
}
REFERENCE = "numpy"
MOST = 10_000_000  # distances that the loop is asked for: above, half a minute a time


def measure(
    num_photos: int, num_probes: int, rounds: int, steps: int
) -> dict[str, Any]:
    """All sides in turn.

    Raises:
      SystemExit: two of them name other people.
    """
    sizes = [str(num_photos), str(num_probes)]
    workers = {
        side: Worker(["-m", worker.__name__, side, *sizes], runs.ENVIRONMENT)
        for side in worker.SIDES
        if side != "loop" or num_photos * num_probes <= MOST
    }
    measured = take_turns(workers, rounds, steps)
    people = {side: own.ask("people") for side, own in workers.items()}
    for own in workers.values():
        own.close()
    for side, named in people.items():
        if named != people[REFERENCE]:
            raise SystemExit(f"{side} names others than {REFERENCE} of {num_photos}")
    return measured


def table(results: dict[str, Any]) -> str:
    """A row a side, a column a size and number of probes."""
    rows = []
    for side, title in TITLES.items():
        cells = [
            in_milliseconds(measured[side], ".3g") if side in measured else ""
            for measured in results.values()
        ]
        there = [measured[side] for measured in results.values() if side in measured]
        rows.append([title, *cells, f"{there[-1]['peak_bytes'] / 2**30:.1f}"])
    head = [f"{key}, ms" for key in results]
    return runs.markdown(["", *head, "peak GiB"], rows)


def main() -> None:
    """Measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3)
    given = parser.parse_args()
    results = {
        f"{size:,} photos, {probes} asked": measure(
            size, probes, given.rounds, given.steps
        )
        for size in SIZES
        for probes in PROBES
    }
    about = runs.setting() | {"faiss": version("faiss-cpu")}
    about |= {"cores": len(os.sched_getaffinity(0))}
    runs.write(HERE, about, results, table(results))


if __name__ == "__main__":
    main()
