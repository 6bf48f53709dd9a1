"""Where a face's 68 landmarks are: dlib's detector and shape predictor.

`pip install 'cl-facenet[align]'` brings both: dlib, and face_recognition_models, whose
files are read without importing it (it wants pkg_resources, which left setuptools).
"""

import functools
import importlib.util
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cl_facenet.errors import InputError
from cl_facenet.forks import in_forked_children

DETECTOR = "dlib frontal HOG, upsampled once"
MODEL = "shape_predictor_68_face_landmarks"
# Of the copy that is searched, in pixels. Upsampled once, dlib finds faces of 40 pixels
# and more; a large photo would take it a minute.
MAX_SIDE = 1024
# Labeled Faces in the Wild are cut at 2.2 times the box of a face detector.
ASSUMED_SHARE = 1 / 2.2

_MISSING = "alignment by dlib needs its packages: pip install 'cl-facenet[align]'"
# Detectors that no thread is using. One writes into itself while it searches, and dlib
# lets go of Python's lock meanwhile: two threads in the same one end the process, or
# get each other's faces. To make one takes 0.3 seconds and 9 MB: they are kept, as many
# as a pool has threads, since a server's threads end with their request.
_IDLE: deque[Any] = deque(maxlen=32)
_loading = threading.Lock()


@dataclass(frozen=True)
class Face:
    """The landmarks of one face, and whether a detector found it.

    `points` is float64 [68, 2]: x and y in pixels, (0, 0) being the photo's upper left
    corner and (0.5, 0.5) the middle of its first pixel. `num_faces` is how many were
    found; `box` is left, top, right and bottom of the one taken, in the same pixels.
    """

    points: np.ndarray
    found: bool
    num_faces: int = 0
    box: tuple[int, int, int, int] | None = None


def find_face(image: Image.Image) -> Face:
    """The face of an RGB photo: the largest, where two are alike the more central.

    Where none is found, landmarks are fitted in a box at the photo's middle, of
    1 / 2.2 of its shorter side, where a photo of Labeled Faces in the Wild has it.

    Raises:
      InputError: dlib or its model is not installed.
    """
    scale = min(1.0, MAX_SIDE / max(image.size))
    size = [max(1, round(scale * side)) for side in image.size]
    pixels = np.array(image.resize(size, Image.Resampling.BOX) if scale < 1 else image)
    faces = _detect(pixels)
    box = _main_face(faces, size) if faces else _assumed_box(size)
    shape = _predictor()(pixels, box)
    points = [(point.x + 0.5, point.y + 0.5) for point in shape.parts()]
    found = bool(faces), len(faces), _in_photo(box, image.size, size)
    return Face(np.array(points) * image.size / size, *found)


def _detect(pixels: np.ndarray) -> Any:
    """The boxes of all faces, by a detector that is this thread's alone meanwhile."""
    try:
        detector = _IDLE.pop()
    except IndexError:
        detector = _dlib().get_frontal_face_detector()
    faces = detector(pixels, 1)
    _IDLE.append(detector)
    return faces


def _main_face(faces: Any, size: list[int]) -> Any:
    """Weighs size against place as Sandberg's align_dataset_mtcnn.py does."""

    def weight(box: Any) -> float:
        middle = np.array([box.left() + box.right(), box.top() + box.bottom()]) / 2
        return float(box.area() - 2 * np.sum((middle - np.array(size) / 2) ** 2))

    return max(faces, key=weight)


def _in_photo(
    box: Any, photo_size: tuple[int, int], size: list[int]
) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of dlib's box, which has its last row and column."""
    across, down = photo_size[0] / size[0], photo_size[1] / size[1]
    left, right = round(across * box.left()), round(across * (box.right() + 1))
    top, bottom = round(down * box.top()), round(down * (box.bottom() + 1))
    return left, top, right, bottom


def _assumed_box(size: list[int]) -> Any:
    (x, y), half = np.array(size) / 2, ASSUMED_SHARE * min(size) / 2
    return _dlib().rectangle(
        *(round(side) for side in (x - half, y - half)),
        *(round(side) for side in (x + half, y + half)),
    )


def _predictor() -> Any:
    """The shape predictor, 100 MB, which all threads share: it only reads itself."""
    with _loading:
        return _load_predictor()


@functools.cache
def _load_predictor() -> Any:
    dlib = _dlib()
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise InputError(_MISSING)
    path = Path(spec.submodule_search_locations[0]) / "models" / f"{MODEL}.dat"
    try:
        return dlib.shape_predictor(str(path))
    except RuntimeError as error:
        raise InputError(
            f"{path} cannot be read ({error}): pip install --force-reinstall "
            "face_recognition_models"
        ) from error


def _dlib() -> Any:
    try:
        import dlib
    except ImportError as error:
        raise InputError(_MISSING) from error
    return dlib


def _renew_lock() -> None:
    global _loading
    _loading = threading.Lock()


in_forked_children(_renew_lock)  # another thread of the parent's may hold it
