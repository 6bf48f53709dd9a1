"""The pictures of a report, one function each: their style, names and marks."""

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from cl_facenet.evaluation.classification import Classification, confusion_matrix
from cl_facenet.evaluation.published import Curve
from cl_facenet.evaluation.verification import Verification

WIDTH = 5.2  # inches: on a phone, the text shrinks to two thirds and no further
FONT = "DejaVu Sans"  # comes with matplotlib
INK, PALE = "#333333", "#888888"
SAME, DIFFERENT = "#0072B2", "#D55E00"  # Okabe and Ito's, safe for the colour-blind
# Paul Tol's "muted" scheme, safe too.
PEOPLE_COLOURS = (
    *("#332288", "#CC6677", "#117733", "#88CCEE", "#882255"),
    *("#DDCC77", "#44AA99", "#AA4499", "#999933"),
)
STYLE = {
    "font.family": FONT,
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelcolor": INK,
    "axes.edgecolor": PALE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
}

LEGEND_COLUMNS = 2  # of the ROC
MAX_NAMED = 40  # people, on the axes of the confusion matrix
MAX_CELLS = 200  # a side of it
HARDEST = 8  # pairs of each kind

# Settings of the process that are changed and put back: by one thread at a time, or
# the last would leave behind what the first had set.
_drawing = threading.Lock()


@contextmanager
def our_style() -> Iterator[None]:
    """From matplotlib's defaults, whatever the user's own matplotlibrc says."""
    with _drawing, matplotlib.style.context(["default", STYLE]):
        yield


_percent_ticks = FuncFormatter(lambda share, _: f"{100 * share:g} %")


def percent(share: float, digits: int = 1) -> str:
    """A share as the report writes it."""
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def unwritable(people: list[str]) -> dict[int, str]:
    """People whose names the font has no glyphs for, by the numbers they go by."""
    glyphs = font_manager.get_font(font_manager.findfont(FONT)).get_charmap()
    return {
        number: person
        for number, person in enumerate(people, start=1)
        if not all(ord(character) in glyphs for character in _short(person))
    }


def names_of(people: list[str]) -> list[str]:
    """What matplotlib is to write for the people; a dollar sign starts no formula."""
    names = [_plain(person) for person in people]
    for number in unwritable(people):
        names[number - 1] = f"person {number}"
    return names


def _plain(name: str) -> str:
    """A name as text: a dollar sign starts no formula, a low line hides no label."""
    return _short(name).replace("_", " ").replace("$", r"\$")


def _short(person: str) -> str:
    short = person if len(person) <= 24 else person[:23] + "\N{HORIZONTAL ELLIPSIS}"
    return short.encode(errors="replace").decode()  # of undecodable file names


def draw_training(metrics: list[dict[str, Any]]) -> Figure:
    """Loss and its terms over the steps, and below what else was logged of them."""
    small = {
        "train/accuracy": ("Batch accuracy", "share of photos"),
        "train/center_gradient_share": ("Gradient of center loss", "share of both"),
        "train/center_movement": ("Movement of the centers", "distance a step"),
        "train/within_between_ratio": ("Spread within/between", "ratio (no unit)"),
    }
    small = {key: words for key, words in small.items() if series(metrics, key)[0].size}
    rows = math.ceil(len(small) / 2)
    figure = Figure(figsize=(WIDTH, 3.0 + 1.9 * rows), layout="constrained")
    grid = figure.add_gridspec(1 + rows, 2, height_ratios=[1.5] + [1] * rows)

    losses = figure.add_subplot(grid[0, :], ylabel="loss a photo (log)")
    losses.set_yscale("log")
    terms = {
        "train/loss": (INK, "total"),
        "train/identity_loss": (SAME, "identity loss"),
        "train/center_loss": (DIFFERENT, "center loss, weighted"),
    }
    for key, (colour, label) in terms.items():
        steps, values = series(metrics, key)
        shown = values > 0  # with center.weight 0, one term is
        _plot_series(losses, steps[shown], values[shown], colour, label)
    losses.legend(loc="lower center", ncols=3, bbox_to_anchor=(0.5, 1))
    for place, (key, (title, unit)) in enumerate(small.items(), start=2):
        axes = figure.add_subplot(grid[divmod(place, 2)], ylabel=unit)
        axes.set_title(title, fontsize=9.5)
        _plot_series(axes, *series(metrics, key), INK)
        axes.set_ylim(bottom=0)
        if unit.startswith("share"):
            axes.yaxis.set_major_formatter(_percent_ticks)
    for axes in figure.axes:
        axes.set_xlabel("training step")
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins="auto"))
    return figure


def series(metrics: list[dict[str, Any]], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and finite values of a metric; of a step logged twice, the later value."""
    by_step = {row["step"]: row[key] for row in metrics if row.get(key) is not None}
    points = sorted(point for point in by_step.items() if math.isfinite(point[1]))
    steps, values = np.array(points, float).reshape(-1, 2).T
    return steps, values


def _plot_series(
    axes: Axes, steps: np.ndarray, values: np.ndarray, colour: str, label: str = ""
) -> None:
    """The values, pale, and over them their mean over a thirtieth of the steps."""
    if not steps.size:
        return
    window = math.ceil(len(values) / 30)
    total, count = (
        np.convolve(x, np.ones(window), mode="same") for x in (values, values * 0 + 1)
    )
    marker = "o" if len(values) == 1 else ""  # a line through one point would not show
    axes.plot(steps, values, color=colour, linewidth=0.8, alpha=0.35)
    axes.plot(steps, total / count, color=colour, marker=marker, label=label)


def draw_roc(verification: Verification, published: Sequence[Curve] = ()) -> Figure:
    """TAR against FAR, on a linear and on a logarithmic axis, others' curves behind."""
    rows = math.ceil((5 + len(published)) / LEGEND_COLUMNS)
    figure = Figure(figsize=(WIDTH, 2.9 + 0.2 * rows), layout="constrained")
    linear, log = figure.subplots(1, 2, sharey=True)
    lowest = min(5e-4, 0.5 / int(np.count_nonzero(~verification.same)))
    chance = np.geomspace(lowest, 1, 200)  # straight on the one axis, bent on the other
    dashed: dict[str, Any] = {"color": PALE, "linestyle": "--", "linewidth": 1}
    # On the logarithmic axis in steps, as TAR at FAR is read off; FAR 0 at its edge.
    for axes, leftmost, steps in ((linear, 0, "default"), (log, lowest, "steps-post")):
        fpr = np.maximum(verification.fpr, leftmost)
        style: dict[str, Any] = {"color": SAME, "drawstyle": steps, "zorder": 2.5}
        axes.plot(fpr, verification.tpr, label="this model", **style)
        _plot_points(axes, verification, leftmost)
        axes.plot(chance, chance, label="chance", **dashed)
        for number, curve in enumerate(published):
            style = _published_style(curve, number) | {"drawstyle": steps}
            axes.plot(np.maximum(curve.fpr, leftmost), curve.tpr, **style)
        axes.set_xlabel("false accepts (FAR)")
    linear.set(title="Linear", xlim=(0, 1), ylim=(0, 1.01))
    linear.set_ylabel("true accepts (TAR)")
    log.set(title="Logarithmic", xscale="log", xlim=(lowest, 1))
    for axis in (linear.xaxis, linear.yaxis, log.xaxis):
        axis.set_major_formatter(_percent_ticks)
    figure.legend(
        *linear.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=LEGEND_COLUMNS,
        fontsize=9,
    )
    return figure


def _published_style(curve: Curve, number: int) -> dict[str, Any]:
    """Pale; another line style each round of colours."""
    styles = ("-", "-.", ":")
    return {
        "color": PEOPLE_COLOURS[number % len(PEOPLE_COLOURS)],
        "linestyle": styles[number // len(PEOPLE_COLOURS) % len(styles)],
        "linewidth": 1.2,
        "alpha": 0.6,
        "zorder": 1.5,
        "label": f"curve {number + 1}"
        if unwritable([curve.name])
        else _plain(curve.name),
    }


def _plot_points(axes: Axes, verification: Verification, leftmost: float) -> None:
    """The equal error rate and each TAR that is known at its FAR, on the curve."""
    eer = verification.eer
    points = {f"EER {percent(eer)}": (eer, 1 - eer)}
    for far, tar in verification.tar_at_far.items():
        if tar is not None:
            points[f"TAR {percent(tar)} at FAR {100 * far:g} %"] = far, tar
    for marker, (label, (far, tar)) in zip("os^", points.items(), strict=False):
        axes.plot(
            max(far, leftmost),
            tar,
            color=DIFFERENT,
            marker=marker,
            markersize=7,
            markeredgecolor="white",
            linestyle="",
            label=label,
            clip_on=False,
            zorder=3,
        )


def draw_distances(verification: Verification) -> Figure:
    """Histograms of both kinds of pairs, and the threshold."""
    figure = Figure(figsize=(WIDTH, 2.8), layout="constrained")
    axes = figure.subplots()
    distances, same = verification.distances, verification.same
    edges = np.linspace(0, distances.max() * 1.02 or 1, 61)
    kinds = {"same person": (same, SAME), "different people": (~same, DIFFERENT)}
    for label, (kind, colour) in kinds.items():
        density, _ = np.histogram(distances[kind], edges, density=True)
        axes.stairs(density, edges, fill=True, color=colour, alpha=0.3)
        axes.stairs(density, edges, color=colour, linewidth=1.5, label=label)
    threshold = verification.threshold
    label = f"threshold {threshold:.3f}"
    axes.axvline(threshold, color=INK, linestyle="--", linewidth=1.2, label=label)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel("squared distance ‖u \N{MINUS SIGN} v‖²")
    axes.set_ylabel("density of pairs")
    figure.legend(loc="outside upper center", ncols=3, fontsize=9, columnspacing=1.2)
    return figure


def draw_confusion(classification: Classification, people: list[str]) -> Figure:
    """True people in rows, predictions in columns; large ones in groups."""
    num_people = classification.num_classes
    group = math.ceil(num_people / MAX_CELLS)  # people to a cell
    num_cells = math.ceil(num_people / group)
    labels, predictions = (
        classification.labels // group,
        classification.predictions // group,
    )
    counts = confusion_matrix(labels, predictions, num_cells)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)

    names = names_of(people) if num_people <= MAX_NAMED else []
    room = 0.07 * max(map(len, names), default=2)  # inches for the longest
    side = max(0.16 * num_cells, 2.4) if names else WIDTH - room - 0.5
    figure = Figure(
        figsize=(side + room + 0.5, side + room + 1.2), layout="constrained"
    )
    axes = figure.subplots()
    norm = PowerNorm(0.5, 0, 1)  # or a share of some percent would not show
    image = axes.imshow(shares, cmap="Blues", norm=norm)
    bar = figure.colorbar(
        image,
        location="top",
        fraction=0.06,
        pad=0.02,
        aspect=30,
        ticks=(0, 0.05, 0.25, 0.5, 1),
        format=_percent_ticks,
    )
    bar.set_label("share of the row's photos")
    axes.grid(False)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7.5)
    axes.set_yticks(range(len(names)), names, fontsize=7.5)
    if names:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.3 else INK
            style = {"color": colour, "ha": "center", "va": "center", "fontsize": 7}
            axes.text(column, row, f"{counts[row, column]}", style)
    cell = f" ({group} people to a cell)" if group > 1 else ""
    axes.set_xlabel("prediction" + cell)
    axes.set_ylabel("true person" + cell)
    return figure


def draw_hardest(verification: Verification, photos: np.ndarray) -> Figure:
    """The photos of the worst pairs of each kind."""
    distances, same = verification.distances, verification.same
    alike, unlike = np.flatnonzero(same), np.flatnonzero(~same)
    groups = {
        "The same person, farthest apart": alike[np.argsort(-distances[alike])],
        "Different people, nearest": unlike[np.argsort(distances[unlike])],
    }
    height, width = photos.shape[1:3]
    gap = np.full((height, max(width // 24, 1), 3), 255, np.uint8)
    figure = Figure(
        figsize=(WIDTH, WIDTH / 2 * height / width + 1.8), layout="constrained"
    )
    parts = figure.subfigures(2, 1, squeeze=False).flat
    for part, (title, pairs) in zip(parts, groups.items(), strict=True):
        part.suptitle(title, x=0.01, ha="left", weight="bold", fontsize=10.5)
        grid = part.subplots(2, HARDEST // 2).flat
        for axes, pair in zip_longest(grid, pairs[:HARDEST]):
            axes.set_axis_off()
            if pair is None:
                continue
            left, right = photos[verification.pairs[pair]]
            axes.imshow(np.concatenate([left, gap, right], axis=1))
            wrong = (distances[pair] < verification.threshold) != same[pair]
            verdict = "✗ wrong" if wrong else "✓ right"
            axes.set_title(
                f"{distances[pair]:.2f} {verdict}",
                loc="center",
                color=DIFFERENT if wrong else INK,
                weight="normal",
                fontsize=9,
            )
    return figure
