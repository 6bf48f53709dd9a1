"""A verdict to look at: the two squares that were compared, and where the limit is."""

import io
from collections.abc import Sequence
from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cl_facenet.data.preprocessing import Square
from cl_facenet.evaluation.figures import DIFFERENT, INK, PALE, SAME, our_style
from cl_facenet.verdict import Verdict

FARTHEST = 4  # what a squared distance of unit vectors can be


def draw_verdict(squares: Sequence[Square], verdict: Verdict) -> bytes:
    """A PNG file.

    Args:
      squares: the two photos as the network saw them.
    """
    buffer = io.BytesIO()
    with our_style():
        figure = Figure((3.8, 3.1), layout="constrained")
        axes = figure.subplot_mosaic("AB;SS", height_ratios=(6, 1))
        for name, square in zip("AB", squares, strict=True):
            axes[name].imshow(square.pixels, interpolation="nearest")
            axes[name].set_axis_off()
            if notes := wrap("; ".join(square.face.notes()), 34):
                axes[name].set_title("\n".join(notes), color=DIFFERENT, fontsize=6)
        _draw_scale(axes["S"], verdict)
        title, color = _title(verdict)
        figure.suptitle(title, color=color, fontsize=11, fontweight="bold")
        pairs = verdict.calibrated_on.num_different_pairs
        figure.supxlabel(
            f"Of {pairs:,} pairs of different people, none of whom it had seen,\n"
            f"{100 * verdict.false_accept_rate:g} % are below that limit too.",
            color=PALE,
            fontsize=7,
        )
        figure.savefig(buffer, format="png", dpi=150)
    return buffer.getvalue()


def _title(verdict: Verdict) -> tuple[str, str]:
    """The answer, and its colour."""
    if verdict.distance is None:
        return "No verdict", DIFFERENT
    says, sign, color = (
        ("The same person", "<", SAME)
        if verdict.same
        else ("Different people", "≥", DIFFERENT)
    )
    distance = f"distance {verdict.distance:.3g} {sign} {verdict.threshold:.3g}"
    return f"{says}: {distance}", color


def _draw_scale(axes: Axes, verdict: Verdict) -> None:
    """All distances there can be: the same person up to the limit, others above."""
    limit = min(verdict.threshold, FARTHEST)
    axes.barh(0, limit, 0.5, color=SAME, alpha=0.3)
    axes.barh(0, FARTHEST - limit, 0.5, left=limit, color=DIFFERENT, alpha=0.3)
    if verdict.distance is not None:
        axes.plot([verdict.distance], [0], "o", color=INK, clip_on=False)
    axes.set_xlim(0, FARTHEST)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(False)
    axes.tick_params(labelsize=7)
