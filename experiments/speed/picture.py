"""The picture of a comparison: photos a second of every side, and of every round."""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

PANELS = {
    "train:nn4:64": "Training NN4.Small2, batches of 64",
    "infer:nn4:64": "Embedding, batches of 64",
    "infer:nn4:1": "Embedding, one at a time",
}
NAMES = {
    "jax": "cl_facenet",
    "onnx": "its ONNX file\nonnxruntime",
    "compile": "PyTorch\ntorch.compile",
    "eager": "PyTorch\neager",
}
OURS, THEIRS = "#1F5A99", "#B8B8B8"


def draw(content: Mapping[str, Any], path: Path) -> None:
    """Bars are medians, dots the rounds; written as a PNG."""
    figure = Figure((9.0, 3.2), layout="constrained")
    panels = figure.subplots(1, len(PANELS))
    for axes, (task, title) in zip(panels, PANELS.items(), strict=True):
        batch_size = int(task.rpartition(":")[2])
        sides = content["measured"][task]
        shown = [side for side in NAMES if side in sides]
        for place, side in enumerate(reversed(shown)):
            own = sides[side]
            rounds = [batch_size / statistics.median(s) for s in own["rounds"]]
            rate = batch_size / own["seconds"]
            ours = side == "jax"
            axes.barh(place, rate, 0.6, color=OURS if ours else THEIRS)
            axes.plot(rounds, [place] * len(rounds), ".", color="black", alpha=0.5)
            inside = {"ha": "left", "va": "center", "color": "white" if ours else "k"}
            axes.text(0, place, f" {rate:.0f}", **inside)
        axes.set_yticks(range(len(shown)), [NAMES[side] for side in reversed(shown)])
        axes.set_title(title, loc="left", fontsize=9)
        axes.set_xlabel("photos a second")
        axes.spines[["top", "right"]].set_visible(False)
    about = content["about"]
    figure.suptitle(
        f"{about['machine']}; jax {about['jax']}, torch {about['torch']}, "
        f"onnxruntime {about['onnxruntime']}; {about['date']}",
        fontsize=8,
        x=0.01,
        ha="left",
    )
    figure.savefig(path, dpi=120)
