"""What was measured of the shipped embedder and its recipe, into its card.

python -m experiments.lfw_recipe.card

From final.json, results.json, view2.json and seeds.json here, which final, run, view2
and seeds write, and from experiments/groups/results.json.
"""

import json
from pathlib import Path
from typing import Any

from cl_facenet import shipped
from cl_facenet.model_folder import ABOUT
from cl_facenet.whole_files import write_whole
from experiments.lfw_recipe import final, run, seeds
from experiments.lfw_recipe.ways import ONE

HERE = Path(__file__).parent
GROUPS = HERE.parent / "groups/results.json"
NAME = "nn4_small2_lfw"


def recipe() -> dict[str, Any]:
    """What the recipe gets, and what it stands beside."""
    finals, view2 = (
        json.loads((HERE / name).read_text()) for name in ("final.json", "view2.json")
    )
    own, tried = finals["results"], run.results()
    rows = {name: tried[trial] for name, trial in final.BESIDE.items()} | {
        "the recipe, of four fifths of the people": own[final.TUNED],
        "the recipe: this embedder": own[final.SHIPPED],
    }
    return {
        "config": "configs/lfw.py",
        "measured_by": {
            "view1": finals["about"],
            "view2": view2["about"],
            **{name: tried[trial]["about"] for name, trial in final.BESIDE.items()},
        },
        "num_photos_seen": own[final.SHIPPED]["num_photos"],
        "minutes_on_one_core": own[final.SHIPPED]["minutes"],
        "view1": {name: one_crop(row["scores"][ONE]) for name, row in rows.items()},
        "view2": view2["verification"],
        "center_loss": center_loss(),
        "more": "experiments/lfw_recipe/README.md",
    }


def one_crop(scores: dict[str, Any]) -> dict[str, Any]:
    """On view 1: the accuracy by people left out, the area under the ROC."""
    accuracy, roc = scores["by_threshold"], scores["view1"]
    return {
        "accuracy": accuracy["accuracy_mean"],
        "accuracy_interval": accuracy["intervals"]["accuracy_mean"],
        "auc": roc["auc"],
        "auc_interval": roc["intervals"]["auc"],
    }


def center_loss() -> dict[str, Any]:
    """What it adds to softmax alone, equal in everything else, by several seeds."""
    known = json.loads(seeds.RESULTS.read_text())
    num_seeds = 0
    while seeds.name_of(seeds.BASELINE, num_seeds) in known["trainings"]:
        num_seeds += 1
    sides, pairs = seeds.arrays(known, num_seeds)
    (ours,) = seeds.OTHERS
    apart: dict[str, Any] = {name: {} for name in pairs}
    for name, what in seeds.COLUMNS:
        both = sides[ours][name], sides[seeds.BASELINE][name]
        mean, ends = seeds.differences(*both, pairs[name], seed=0)
        place = seeds.MEASURES.index(what)
        interval = ends[:, place].tolist()
        apart[name][what] = {"difference": float(mean[place]), "interval": interval}
    about = {"with": ours, "without": seeds.BASELINE, "num_seeds": num_seeds}
    return about | {"on": apart}


def main() -> None:
    """The card, with these two parts of it anew."""
    path = shipped.folder_of(NAME) / ABOUT
    groups = json.loads(GROUPS.read_text())["results"]["groups"]
    card = json.loads(path.read_text()) | {"groups": groups, "recipe": recipe()}
    write_whole(path, (json.dumps(card, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
