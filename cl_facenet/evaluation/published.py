"""Other people's ROC curves, read from files of points, to draw beside one's own.

The format is that of the results page of Labeled Faces in the Wild
(http://vis-www.cs.umass.edu/lfw/results.html): a point a line, its false and its true
positive rate parted by white space, in either order, in any order of points. Empty
lines and what follows a # say nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cl_facenet.errors import InputError
from cl_facenet.paths import local_path

# Below the diagonal a curve may dip where a few pairs are a rate; a line whose columns
# are swapped is farther off.
MAX_DIP = 0.02


@dataclass(frozen=True)
class Curve:
    """A published ROC curve."""

    name: str  # the file's, without its ending
    fpr: np.ndarray  # float64 [R], ascending
    tpr: np.ndarray  # float64 [R]


def read_curves(paths: Iterable[str]) -> list[Curve]:
    """Reads files of points, as a config names them.

    Raises:
      InputError: as read_curve.
      UsageError: one is a URL.
    """
    return [read_curve(local_path(path, "report.published_roc")) for path in paths]


def read_curve(path: Path) -> Curve:
    """Reads a file of points; the column with the greater sum is the TPR.

    Raises:
      InputError: the file cannot be read or has no points, or a line is not two numbers
        from 0 to 1, or lies on the other side of the diagonal than the others.
    """
    try:
        lines = path.read_text("utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    numbers = [n for n, line in enumerate(lines, start=1) if _words(line)]
    if not numbers:
        raise InputError(f"{path}: no points of an ROC curve")
    points = np.array([_point(f"{path}:{n}", lines[n - 1]) for n in numbers])
    if points[:, 0].sum() > points[:, 1].sum():
        points = points[:, ::-1]
    fpr, tpr = points.T
    below = np.flatnonzero(tpr < fpr - MAX_DIP)
    if below.size:
        raise InputError(
            f"{path}:{numbers[below[0]]}: the false positive rate is the greater one "
            "here and the lesser one elsewhere: put the columns into one order"
        )
    order = np.lexsort((tpr, fpr))
    return Curve(name=path.stem, fpr=fpr[order], tpr=tpr[order])


def _words(line: str) -> list[str]:
    return line.split("#")[0].split()


def _point(place: str, line: str) -> list[float]:
    words = _words(line)
    try:
        point = [float(word) for word in words]
    except ValueError:
        point = []
    if len(point) != 2:
        raise InputError(f"{place}: not two numbers: {line.strip()[:40]!r}")
    if not all(0 <= rate <= 1 for rate in point):  # nor is nan
        raise InputError(f"{place}: not rates from 0 to 1: {line.strip()[:40]!r}")
    return point
