"""The embeddings and the learnt centers in two dimensions."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox, BboxBase
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from cl_facenet.evaluation.figures import PEOPLE_COLOURS, WIDTH, names_of

MAX_PEOPLE = 30
MAX_PHOTOS = 2_000  # as many as t-SNE arranges in some ten seconds
MIN_TSNE_PHOTOS = 10
MARKERS = "os^D"  # with the colours, one each round, for 36 people
STAR = 16  # pixels of 1/100 inch across: a center on the map
# Where its name may be: across and up in points, and which part of the name is there.
SIDES = tuple(
    {"position": (7 * across, 7 * up), "ha": ha, "va": va}
    for across, up, ha, va in (
        *((0, 1, "center", "bottom"), (0, -1, "center", "top")),
        *((1, 0, "left", "center"), (-1, 0, "right", "center")),
        *((1, 1, "left", "bottom"), (-1, 1, "right", "bottom")),
        *((1, -1, "left", "top"), (-1, -1, "right", "top")),
    )
)


@dataclass(frozen=True)
class EmbeddingMap:
    """What the two-dimensional picture of the embeddings shows."""

    embeddings: np.ndarray  # float32 [N, D]
    labels: np.ndarray  # int [N], rows of `people`
    centers: np.ndarray  # float32 [C, D], row c being the learnt center of people[c]
    people: list[str]


def draw_embeddings(shown: EmbeddingMap) -> Figure:
    """Photos and centers in two dimensions."""
    people = np.unique(shown.labels)[:MAX_PEOPLE]
    rows = np.flatnonzero(np.isin(shown.labels, people))
    rows = rows[:: math.ceil(len(rows) / MAX_PHOTOS)]
    vectors = np.concatenate([shown.embeddings[rows], shown.centers[people]])
    points, axis_name = _to_plane(vectors)
    photos, centers = points[: len(rows)], points[len(rows) :]

    names = names_of(shown.people)
    figure = Figure(figsize=(WIDTH, 5.6), layout="constrained")
    axes = figure.subplots()
    for k, person in enumerate(people):
        colour = PEOPLE_COLOURS[k % len(PEOPLE_COLOURS)]
        marker = MARKERS[k // len(PEOPLE_COLOURS)]
        own = photos[shown.labels[rows] == person]
        style: dict[str, Any] = {"color": colour, "marker": marker, "alpha": 0.75}
        axes.scatter(own[:, 0], own[:, 1], s=22, linewidths=0, **style)
        x, y = centers[k]
        axes.scatter(x, y, s=110, color=colour, marker="*", edgecolors="black")
    axes.set_title(f"{len(rows):,} photos of {len(people)} people, and their centers")
    axes.set_xlabel(f"{axis_name} 1 (no unit)")
    axes.set_ylabel(f"{axis_name} 2 (no unit)")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.margins(0.08)
    figure.draw_without_rendering()  # it is now that the layout puts the axes in place
    _write_beside(axes, centers, [names[person] for person in people])
    return figure


def _write_beside(axes: Axes, stars: np.ndarray, names: list[str]) -> None:
    """The names, each on that side of its star [x, y] where least is in its way."""
    taken = [
        Bbox.from_bounds(x - STAR / 2, y - STAR / 2, STAR, STAR)
        for x, y in axes.transData.transform(stars)
    ]
    for star, text in zip(stars, names, strict=True):
        name = axes.annotate(text, star, (0, 0), textcoords="offset points", fontsize=8)
        name.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
        name.set_in_layout(False)
        boxes = []
        for side in SIDES:
            name.set(**side)
            boxes.append(name.get_window_extent())
        hidden = [
            sum(_shared(box, other) for other in taken) - _shared(box, axes.bbox)
            for box in boxes
        ]
        best = int(np.argmin(hidden))
        name.set(**SIDES[best])
        taken.append(boxes[best])


def _shared(box: Bbox, other: BboxBase) -> float:
    """The area of both."""
    both = Bbox.intersection(box, other)
    return both.width * both.height if both else 0.0


def _to_plane(vectors: np.ndarray) -> tuple[np.ndarray, str]:
    """Points [N, 2] for vectors [N, D], and what their axes are called."""
    centered = vectors - vectors.mean(0)
    # t-SNE has no answer for a handful of points, nor for points that all coincide.
    if len(vectors) < MIN_TSNE_PHOTOS or np.abs(centered).max() < 1e-6:
        _, _, directions = np.linalg.svd(centered, full_matrices=False)
        return centered @ directions[:2].T, "principal component"
    tsne = TSNE(
        perplexity=min(30, (len(vectors) - 1) / 3),
        metric="cosine",  # the direction is what was learnt; a center may be shorter
        init="pca",
        random_state=0,
    )
    # On a busy machine its threads wait for one another at every small step: measured
    # at 300 points and two cores, 1 s with one thread and up to 40 s with two. It is
    # the whole process that is limited: only within `our_style`, which is one thread's.
    with threadpool_limits(1):
        return tsne.fit_transform(vectors), "t-SNE"
