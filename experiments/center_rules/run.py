"""Six center rules on ORL, three seeds: python -m experiments.center_rules.run

All with the lambda of configs/nn4.py, 1, whose source may call it something else, and
with their own alpha, initial centers and update. Two at a time, a core each.
"""

from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cl_facenet.center_rules import RULES
from experiments import runs

HERE = Path(__file__).parent
SEEDS = (0, 1, 2)
NUM_EPOCHS = 10
DIMS = 128
# What the source of each calls a lambda of 1.
WEIGHTS = {name: 1 / rule.to_lambda(1.0, DIMS) for name, rule in RULES.items()}
TRAININGS = {
    f"{rule} {seed}": (
        "--config=configs/nn4.py",
        f"--config.num_epochs={NUM_EPOCHS}",
        f"--config.seed={seed}",
        f"--config.center.rule={rule}",
        "--config.center.weight=1.0",
    )
    for seed, rule in product(SEEDS, RULES)
}
COLUMNS = {
    "held-out accuracy": ("classification", "accuracy"),
    "AUC": ("verification", "auc"),
    "equal error rate": ("verification", "eer"),
}
LAST = {"within / between": "within_between_ratio", "movement": "center_movement"}
CURVES = {
    "identity loss": "identity_loss",
    "center loss, with its lambda": "center_loss",
    "center movement a step": "center_movement",
    "within / between": "within_between_ratio",
}
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def draw(results: dict[str, list[runs.Results]]) -> Figure:
    """Curves, a line a rule: means over the seeds."""
    figure = Figure((9.0, 6.4), layout="constrained")
    for place, (title, key) in enumerate(CURVES.items()):
        axes: Axes = figure.add_subplot(2, 2, place + 1)
        for (name, own), colour in zip(results.items(), COLOURS, strict=True):
            rows = [result["metrics"] for result in own]
            steps = [row["step"] for row in rows[0]]
            values = np.mean([[row[f"train/{key}"] for row in r] for r in rows], 0)
            axes.plot(
                steps, np.where(values > 0, values, np.nan), color=colour, label=name
            )
        axes.set_title(title, loc="left")
        axes.set_yscale("log")
        axes.grid(color="#E6E6E6")
    figure.supxlabel("step")
    axes.legend(frameon=False, ncols=2, fontsize="small")
    return figure


def main() -> None:
    """All runs, then the files beside this one."""
    directory, about = runs.begin("center_rules")
    trained = runs.train_all(directory, TRAININGS, at_once=2)
    results = {rule: [trained[f"{rule} {s}"] for s in SEEDS] for rule in RULES}
    rows = []
    for rule, own in results.items():
        cells = [
            runs.with_range([r[part][key] for r in own], 3)
            for part, key in COLUMNS.values()
        ]
        for key in LAST.values():
            last = [r["metrics"][-1][f"train/{key}"] for r in own]
            cells.append(runs.with_range(last, 3))
        rows.append([rule, f"{WEIGHTS[rule]:g}", f"{RULES[rule].alpha:g}", *cells])
    head = ["rule", "its source's weight", "alpha", *COLUMNS, *LAST]
    runs.write(HERE, about, results, runs.markdown(head, rows))
    draw(results).savefig(HERE / "curves.png", dpi=120)


if __name__ == "__main__":
    main()
