"""The search for a recipe: python -m experiments.lfw_recipe.run [TRIAL ...]

Trains the trials named, or all that results.json does not have, one after another, and
writes each into results.json and table.md as it ends: a search goes on where it was
left. LFW must be prepared (README).
"""

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

from cl_facenet.whole_files import write_whole
from cl_facenet.workdir import read_config
from experiments import runs
from experiments.lfw_recipe.scores import score, score_eigenfaces
from experiments.lfw_recipe.trials import EIGENFACES, TRIALS
from experiments.lfw_recipe.ways import MIRRORED, ONE

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
SCORES = [
    *("tune: accuracy", "AUC (95 % interval)"),
    *("view 1: accuracy (95 % interval)", "AUC (95 % interval)"),
]
HEAD = ["trial", "photos", "minutes", *SCORES, "mirrored", "commit"]


def measure(name: str, directory: Path, about: dict[str, str]) -> dict[str, Any]:
    """Trains one, scores it on the people to tune on, and once on view 1's test."""
    (result,) = runs.train_all(directory, {name: TRIALS[name]}).values()
    return {
        "flags": shlex.join(TRIALS[name]),
        "about": about,
        **cost(result),
        "train_loss": result["metrics"][-1]["train/loss"],
        "center_gradient_share": result["metrics"][-1]["train/center_gradient_share"],
        "scores": score(Path(result["workdir"]), (ONE, MIRRORED)),
    }


def cost(result: runs.Results) -> dict[str, float]:
    """The photos that a training saw, and its minutes.

    They are at its median speed: a training may be halted for a while, and go on.
    """
    num_photos = result["step"] * read_config(Path(result["workdir"]))["batch_size"]
    minutes = num_photos / result["photos_per_second"] / 60
    return {"minutes": minutes, "num_photos": num_photos}


def measure_eigenfaces(align: str, about: dict[str, str]) -> dict[str, Any]:
    """What there is without a network."""
    return {"about": about, "scores": {ONE: score_eigenfaces(align)}}


def scored(scores: dict[str, Any]) -> list[str]:
    """The cells under SCORES."""
    return [
        f"{scores['tune']['accuracy_mean']:.3f}",
        runs.with_interval(scores["tune"], "auc"),
        runs.with_interval(scores["by_threshold"], "accuracy_mean"),
        runs.with_interval(scores["view1"], "auc"),
    ]


def row(name: str, trial: dict[str, Any]) -> list[str]:
    """A trial's cells under HEAD."""
    one, mirrored = (trial["scores"].get(crop) for crop in (ONE, MIRRORED))
    is_network = mirrored is not None
    return [
        name,
        f"{trial['num_photos']:,}" if is_network else "",
        f"{trial['minutes']:.0f}" if is_network else "",
        *scored(one),
        f"{mirrored['by_threshold']['accuracy_mean']:.3f}" if is_network else "",
        trial["about"]["commit"],
    ]


def tuned(trial: dict[str, Any]) -> float:
    """What trials are ordered by: the AUC on the people to tune on."""
    return float(trial["scores"][ONE]["tune"]["auc"])


def results() -> dict[str, Any]:
    """All that has been measured."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def table(known: dict[str, Any]) -> str:
    """A row a trial, best first."""
    best_first = sorted(known, key=lambda trial: -tuned(known[trial]))
    return runs.markdown(HEAD, [row(trial, known[trial]) for trial in best_first])


def main() -> None:
    """Those that are wanted, each kept as soon as there is a result."""
    every = (*EIGENFACES, *TRIALS)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trials", nargs="*", metavar="TRIAL")
    named = parser.parse_args().trials
    if unknown := sorted(set(named) - set(every)):
        parser.error(f"no trial {unknown[0]!r}: choose from {'; '.join(every)}")
    wanted = named or [name for name in every if name not in results()]
    directory, about = runs.begin("lfw_recipe")
    for name in wanted:
        measured = (
            measure_eigenfaces(EIGENFACES[name], about)
            if name in EIGENFACES
            else measure(name, directory, about)
        )
        known = results() | {name: measured}  # another search may have added to them
        write_whole(RESULTS, (json.dumps(known, indent=1) + "\n").encode())
        (HERE / "table.md").write_text(table(known))
        print(table(known))


if __name__ == "__main__":
    main()
