"""What can be said of LFW's photos without labels of people: a CSV of groups.

Of the photograph, the face's place in it and how often the person is there; nothing is
guessed about who they are.
"""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from rich.progress import track
from scipy.ndimage import laplace

from cl_facenet.data.align import ALIGNMENTS, align
from cl_facenet.data.landmarks import find_face
from cl_facenet.data.photos import open_photo

SIZE = 96  # of the squares that the embedder sees
# Of dlib's landmarks.
CHIN, BRIDGE, NOSE, EYES = 8, 27, 30, (36, 45)

# Of each quantity what its lowest, middle and highest third are called.
THIRDS = {
    "turn of the head": ("1 frontal", "2", "3 turned most"),
    "sharpness": ("1 most blurred", "2", "3 sharpest"),
    "brightness": ("1 darkest", "2", "3 brightest"),
    "contrast": ("1 least", "2", "3 most"),
    "size of the face": ("1 smallest", "2", "3 largest"),
}


def quantities(name: str, *, folder: Path) -> dict[str, float]:
    """Numbers of one photo, and whether a face was found in it.

    turn of the head: how far the tip of the nose is from the middle of the outer
    corners of the eyes, along the line through them, over their distance. sharpness:
    root mean square of the Laplacian over the standard deviation, of the grey values of
    the aligned square. brightness, contrast: mean and standard deviation of the grey
    values of the whole photo, from 0 to 255. size of the face: from the nose's bridge
    to the chin, in pixels.
    """
    image = open_photo(folder / name)
    face = find_face(image)
    left, right = face.points[list(EYES)]
    across = (right - left) / np.square(right - left).sum()
    square = align(image, face.points, ALIGNMENTS["dlib"], SIZE).mean(-1)
    grey = np.array(image.convert("L"), float)
    return {
        "found": float(face.found),
        "turn of the head": abs((face.points[NOSE] - (left + right) / 2) @ across),
        "sharpness": np.sqrt(np.square(laplace(square)).mean()) / square.std(),
        "brightness": grey.mean(),
        "contrast": grey.std(),
        "size of the face": np.linalg.norm(face.points[CHIN] - face.points[BRIDGE]),
    }


def measure(folder: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The quantities [N] of some photos, on all cores."""
    with get_context("spawn").Pool() as pool:
        made = pool.imap(partial(quantities, folder=folder), names, chunksize=16)
        rows = list(track(made, "Measuring photos", total=len(names)))
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def write(
    path: Path, names: Sequence[str], measured: Mapping[str, np.ndarray]
) -> dict[str, list[float]]:
    """Writes the CSV; the quantities at which the thirds are parted."""
    counts = Counter(name.split("/")[0] for name in names)
    columns = {
        "photos of the person": [_how_many(counts[n.split("/")[0]]) for n in names],
        "detector": ["found" if found else "no face" for found in measured["found"]],
    }
    cuts = {key: np.quantile(measured[key], [1 / 3, 2 / 3]) for key in THIRDS}
    for key, called in THIRDS.items():
        thirds = np.searchsorted(cuts[key], measured[key])
        columns[key] = [called[third] for third in thirds]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["photo", *columns])
        writer.writerows(zip(names, *columns.values(), strict=True))
    return {key: cut.tolist() for key, cut in cuts.items()}


def _how_many(photos: int) -> str:
    """Only of two photos and more there are same pairs."""
    return (
        "1" if photos == 1 else "2" if photos == 2 else "3-9" if photos < 10 else "10+"
    )
