"""What was measured of the shipped embedder and its recipe, into its card.

python -m experiments.lfw_recipe.card

From final.json, view2.json and seeds.json here, and experiments/groups/results.json;
README.md says how these are made.
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
    finals, tried, view2 = (
        json.loads(path.read_text())
        for path in (HERE / "final.json", run.RESULTS, HERE / "view2.json")
    )
    own = finals["results"]
    rows = {name: tried[trial] for name, trial in final.BESIDE.items()} | {
        "the recipe, of four fifths of the people": own[final.TUNED],
        "the recipe: this embedder": own[final.SHIPPED],
    }
    return {
        "config": "configs/lfw.py",
        "measured_by": finals["about"],
        "num_photos_seen": own[final.SHIPPED]["num_photos"],
        "minutes_on_one_core": own[final.SHIPPED]["minutes"],
        "view1": {name: on_view1(row["scores"][ONE]) for name, row in rows.items()},
        "view2": view2["verification"],
        "center_loss": center_loss(),
        "more": "experiments/lfw_recipe/README.md",
    }


def on_view1(scores: dict[str, Any]) -> dict[str, Any]:
    """By one crop: the accuracy by people left out, the area under the ROC."""
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
    sides, pairs = seeds.arrays(known, len(known["trainings"]) // len(seeds.SIDES))
    (ours,) = seeds.OTHERS
    differences = {}
    for name, own in pairs.items():
        both = sides[ours][name], sides[seeds.BASELINE][name]
        mean, (low, high) = seeds.differences(*both, own, seed=0)
        differences[name] = {
            what: {"difference": x, "interval": [x_low, x_high]}
            for what, x, x_low, x_high in zip(
                seeds.MEASURES,
                *(ends.tolist() for ends in (mean, low, high)),
                strict=True,
            )
        }
    return {"with": ours, "without": seeds.BASELINE, "on": differences}


def main() -> None:
    """The card, with these two parts of it anew."""
    path = shipped.folder_of(NAME) / ABOUT
    groups = json.loads(GROUPS.read_text())["results"]["groups"]
    card = json.loads(path.read_text()) | {"groups": groups, "recipe": recipe()}
    write_whole(path, (json.dumps(card, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
