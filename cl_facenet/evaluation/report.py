"""The report of a run: index.html and the pictures it shows, readable offline."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from cl_facenet.evaluation.calibration import Calibration
from cl_facenet.evaluation.classification import Classification
from cl_facenet.evaluation.embedding_map import EmbeddingMap, draw_embeddings
from cl_facenet.evaluation.figures import (
    draw_confusion,
    draw_distances,
    draw_hardest,
    draw_roc,
    draw_training,
    our_style,
    percent,
    series,
    unwritable,
)
from cl_facenet.evaluation.identification import Identification
from cl_facenet.evaluation.published import Curve
from cl_facenet.evaluation.verification import Verification
from cl_facenet.page import template
from cl_facenet.whole_files import write_whole

DPI = 192  # two pixels to a CSS pixel, as most screens have it


def write_report(
    directory: Path,
    *,
    title: str,
    results: dict[str, Any],
    metrics: list[dict[str, Any]],
    classification: Classification | None,
    people: list[str],
    verification: Verification | None,
    published: Sequence[Curve],
    identification: Identification | None,
    calibration: Calibration | None,
    photos: np.ndarray | None,
    embedding_map: EmbeddingMap | None,
) -> Path:
    """Writes index.html and its pictures into `directory`, and returns the page's path.

    What is None or empty is left out. The page comes last: where there is one, it is
    whole.

    Args:
      results: the content of results.json; `data` and `step` are read.
      metrics: the lines of metrics.jsonl.
      people: names of the rows of the confusion matrix.
      photos: uint8 [M, H, W, 3], what verification.pairs index.
      published: drawn behind the ROC of `verification`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Figure] = {}
    with our_style():
        if series(metrics, "train/loss")[0].size:
            figures["training"] = draw_training(metrics)
        if verification:
            figures["roc"] = draw_roc(verification, published)
            figures["distances"] = draw_distances(verification)
        if verification and photos is not None:
            figures["hardest"] = draw_hardest(verification, photos)
        if classification:
            figures["confusion"] = draw_confusion(classification, people)
        if embedding_map and len(embedding_map.labels):
            figures["embeddings"] = draw_embeddings(embedding_map)
        for name, figure in figures.items():
            figure.savefig(directory / f"{name}.png", dpi=DPI)
    # In CSS pixels, of which there are 96 to the inch.
    sizes = {name: 96 * figure.get_size_inches() for name, figure in figures.items()}
    report = template(
        Path(__file__).with_name("report.html.jinja"),
        percent=percent,
        plain=_plain,
        words=_words,
        unwritable=unwritable,
    )
    page = report.render(
        title=title,
        results=results,
        classification=classification,
        people=people,
        verification=verification,
        published=published,
        identification=identification,
        calibration=calibration,
        embedding_map=embedding_map,
        sizes=sizes,
    )
    path = directory / "index.html"
    write_whole(path, page.encode(errors="replace"))
    return path


def _plain(value: Any) -> str:
    """A value of results.json in words."""
    if isinstance(value, dict):
        return ", ".join(
            f"{_words(name)} {_plain(part)}" for name, part in value.items()
        )
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _words(key: str) -> str:
    """A key of results.json in words."""
    return key.removeprefix("num_").replace("_", " ")
