"""The search for a recipe: python -m experiments.lfw_recipe.run [TRIAL ...]

Trains the trials named, or all that results.json does not have, one after another, and
writes each into results.json and table.md as it ends: a search goes on where it was
left. LFW must be prepared (README).
"""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from cl_facenet.workdir import read_config
from experiments import runs
from experiments.lfw_recipe.scores import score, score_eigenfaces
from experiments.lfw_recipe.trials import EIGENFACES, TRIALS
from experiments.lfw_recipe.ways import MIRRORED, ONE

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
HEAD = [
    *("trial", "photos", "minutes", "tune: accuracy", "AUC (95 % interval)"),
    *("view 1: accuracy (95 % interval)", "AUC (95 % interval)", "mirrored"),
    "commit",
]


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


def row(name: str, trial: dict[str, Any]) -> list[str]:
    """A trial's cells under HEAD."""
    one, mirrored = (trial["scores"].get(crop) for crop in (ONE, MIRRORED))
    is_network = mirrored is not None
    return [
        name,
        f"{trial['num_photos']:,}" if is_network else "",
        f"{trial['minutes']:.0f}" if is_network else "",
        f"{one['tune']['accuracy_mean']:.3f}",
        runs.with_interval(one["tune"], "auc"),
        runs.with_interval(one["by_threshold"], "accuracy_mean"),
        runs.with_interval(one["view1"], "auc"),
        f"{mirrored['by_threshold']['accuracy_mean']:.3f}" if is_network else "",
        trial["about"]["commit"],
    ]


def tuned(trial: dict[str, Any]) -> float:
    """What trials are ordered by: the AUC on the people to tune on."""
    return float(trial["scores"][ONE]["tune"]["auc"])


def main() -> None:
    """Those that are wanted, each kept as soon as there is a result."""
    directory, about = runs.begin("lfw_recipe")
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    wanted = sys.argv[1:] or [n for n in (*EIGENFACES, *TRIALS) if n not in known]
    for name in wanted:
        known[name] = (
            measure_eigenfaces(EIGENFACES[name], about)
            if name in EIGENFACES
            else measure(name, directory, about)
        )
        RESULTS.write_text(json.dumps(known, indent=1) + "\n")
        best_first = sorted(known, key=lambda trial: -tuned(known[trial]))
        rows = [row(trial, known[trial]) for trial in best_first]
        (HERE / "table.md").write_text(runs.markdown(HEAD, rows))
        print(runs.markdown(HEAD, rows))


if __name__ == "__main__":
    main()
