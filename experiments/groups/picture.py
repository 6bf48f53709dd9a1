"""The picture of errors by groups: each rate with its interval, and all people's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from cl_facenet.evaluation.figures import DIFFERENT, INK, PALE, STYLE

# Of each panel the title, and where it ends: what is beyond is written.
PANELS = {
    "false_non_match_rate": ("Same person, called different", 1.04),
    "false_match_rate": ("Different people, called the same", 0.025),
}


def draw(groups: Mapping[str, Any], path: Path) -> None:
    """A dot a group, orange where it differs from the rest by more than chance."""
    with rc_context(STYLE):
        places, names, place = [], [], 0
        for grouping, content in groups["groupings"].items():
            names.append((place, grouping, None))
            for group, found in content["groups"].items():
                place += 1
                names.append((place, group, found))
            place += 1.6
        figure = Figure((9.0, 0.235 * len(names) + 1.2), layout="constrained")
        panels = figure.subplots(1, len(PANELS), sharey=True)
        places = [at for at, _, found in names if found]
        for axes, measure in zip(panels, PANELS, strict=True):
            title, end = PANELS[measure]
            axes.set_title(title)
            axes.set_xlim(0, end)
            axes.axvline(groups["overall"][measure]["value"], color=PALE, lw=1, ls="--")
            for at, _, found in names:
                if found:
                    _dot(axes, at, found[measure])
            axes.grid(axis="y", visible=False)
            axes.tick_params(axis="y", length=0)
            axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
        panels[0].set_yticks(places, [name for _, name, found in names if found])
        panels[0].invert_yaxis()
        for at, name, found in names:
            if not found:
                panels[0].text(
                    *(-0.02, at, name),
                    transform=panels[0].get_yaxis_transform(),
                    **{"ha": "right", "va": "center", "fontweight": "bold"},
                )
        figure.savefig(path, dpi=120)


def _dot(axes: Any, place: float, measured: Mapping[str, Any]) -> None:
    value, ends = measured["value"], measured["interval"]
    if value is None:
        axes.text(0, place, " none to measure", va="center", color=PALE, fontsize=8)
        return
    end = axes.get_xlim()[1]
    if value > end:
        text = f"{100 * value:.1f} % ({100 * ends[0]:.1f} to {100 * ends[1]:.1f}) "
        axes.text(end, place, text + "\N{RIGHTWARDS ARROW}", va="center", ha="right")
        return
    less = measured["difference_interval"]
    colour = DIFFERENT if less and not less[0] <= 0 <= less[1] else INK
    if ends:
        axes.hlines(place, *ends, color=colour, lw=1.8)
    axes.plot(value, place, "o", color=colour, ms=5, mfc=colour if ends else "white")
