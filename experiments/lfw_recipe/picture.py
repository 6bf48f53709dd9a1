"""The picture of all trials and the recipe: python -m experiments.lfw_recipe.picture

Reads results.json and final.json, writes trials.png.
"""

import json
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cl_facenet.evaluation.figures import INK, PALE, SAME, STYLE
from experiments.lfw_recipe.final import TUNED
from experiments.lfw_recipe.ways import ONE

HERE = Path(__file__).parent
# OpenFace's on view 2, of 500,000 other photos (its docs/models-and-accuracies.md).
OPENFACE = {"accuracy": 0.9292, "AUC": 0.973}


def draw(trials: dict[str, Any], path: Path) -> None:
    """A row a trial, best first: what it was chosen by, and what view 1 says of it."""
    scores = {name: trial["scores"][ONE] for name, trial in trials.items()}
    names = sorted(scores, key=lambda name: -scores[name]["tune"]["auc"])
    with rc_context(STYLE):
        figure = Figure((9.0, 0.3 * len(names) + 1.5), layout="constrained")
        accuracy, area = figure.subplots(1, 2, sharey=True)
        accuracy.set_title("View 1, accuracy")
        area.set_title("AUC")
        for place, name in enumerate(names):
            own = scores[name]
            _dot(accuracy, place, own["by_threshold"], "accuracy_mean", INK)
            _dot(area, place - 0.16, own["view1"], "auc", INK)
            _dot(area, place + 0.16, own["tune"], "auc", SAME)
        for axes, value in zip((accuracy, area), OPENFACE.values(), strict=True):
            axes.axvline(value, color=PALE, lw=1, ls="--")
            axes.grid(axis="y", visible=False)
            axes.tick_params(axis="y", length=0)
        accuracy.xaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
        accuracy.set_yticks(range(len(names)), names)
        accuracy.invert_yaxis()
        accuracy.text(
            *(OPENFACE["accuracy"], len(names) - 0.4, "OpenFace, view 2 "),
            **{"ha": "right", "va": "bottom", "color": PALE, "fontsize": 8},
        )
        area.plot([], [], "o-", color=INK, ms=4, label="view 1")
        area.plot([], [], "o-", color=SAME, ms=4, label="people to tune on")
        area.legend(loc="upper left")
        figure.savefig(path, dpi=120)


def _dot(
    axes: Axes, place: float, measured: dict[str, Any], key: str, colour: str
) -> None:
    axes.hlines(place, *measured["intervals"][key], color=colour, lw=1.6)
    axes.plot(measured[key], place, "o", color=colour, ms=4)


def main() -> None:
    """The picture beside this file."""
    trials = json.loads((HERE / "results.json").read_text())
    final = json.loads((HERE / "final.json").read_text())["results"]
    draw(trials | {"the recipe": final[TUNED]}, HERE / "trials.png")


if __name__ == "__main__":
    main()
