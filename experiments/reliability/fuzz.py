"""Gives the package hostile photos, archives, folders and weights.

python -m experiments.reliability.fuzz [--cases=2000] [--seed=0]

Each case is made anew from its seed and given to what a user would give it to. It is
right if it is read with the pixels that it shows, or is one line that names it; nothing
is written but what was asked for, and nothing of that by half.
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from experiments import runs
from experiments.reliability.hostile.cases import Case, make_cases, outcome

HERE = Path(__file__).parent
OUTCOMES = ("read", "skipped", "refused")


def tally(outcomes: dict[Case, str]) -> list[dict[str, Any]]:
    """How often what came of each kind."""
    kinds: dict[tuple[str, str], Counter[str]] = {}
    for case, found in outcomes.items():
        found = found if found in case.may_be else "wrong"
        kinds.setdefault((case.family, case.kind), Counter())[found] += 1
    return [
        {"of": family, "kind": kind, "cases": counts.total(), **counts}
        for (family, kind), counts in kinds.items()
    ]


def table(rows: list[dict[str, Any]]) -> str:
    """A line a kind, and one of all."""
    columns = ("cases", *OUTCOMES, "wrong")
    total = {name: sum(row.get(name, 0) for row in rows) for name in columns}
    return runs.markdown(
        ["of", "kind", *columns],
        [
            [row["of"], row["kind"], *(f"{row.get(name, 0)}" for name in columns)]
            for row in [*rows, {"of": "all", "kind": ""} | total]
        ],
    )


def main() -> None:
    """Makes, gives, counts, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    _, about = runs.begin("reliability")
    outcomes = {case: outcome(case) for case in make_cases(given.cases, given.seed)}
    rows = tally(outcomes)
    wrong = [
        {"of": case.family, "kind": case.kind, "seed": case.seed, "outcome": found}
        for case, found in outcomes.items()
        if found not in case.may_be
    ]
    content = {"about": about, "seed": given.seed, "kinds": rows, "wrong": wrong}
    (HERE / "fuzz.json").write_text(json.dumps(content, indent=1) + "\n")
    (HERE / "fuzz.md").write_text(table(rows))
    print(table(rows))
    for case in wrong:
        print(case)


if __name__ == "__main__":
    main()
