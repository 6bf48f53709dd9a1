"""Faces turned and scaled so that their landmarks lie where a template has them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

# A photo is shrunk first where the warp would step over more of its pixels than this.
_MAX_STEP = 1.5
# Of dlib's 68: eyes, tip of the nose and corners of the mouth.
_FIVE_POINTS = (tuple(range(36, 42)), tuple(range(42, 48)), (30,), (48,), (54,))


@dataclass(frozen=True)
class Alignment:
    """A way to align: which landmarks go where, and by which kind of map.

    Attributes:
      name: what metadata calls it.
      landmarks: for each point the indices, of dlib's 68, whose mean it is.
      template: from the side in pixels to where the points shall be, [P, 2].
      fit: from points and targets [P, 2] to the map [2, 3], [x, y, 1] -> [x', y'].
    """

    name: str
    landmarks: tuple[tuple[int, ...], ...]
    template: Callable[[int], np.ndarray]
    fit: Callable[[np.ndarray, np.ndarray], np.ndarray]


def affine(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The affine map [2, 3] that takes three points [3, 2] exactly to the targets."""
    return np.linalg.solve(np.column_stack([points, np.ones(3)]), targets).T


def similarity(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The turn, scale and shift [2, 3] nearest to taking points to targets [P, 2].

    Least squares in the targets, without reflection (Umeyama 1991): with points as
    complex numbers it is z -> a z + b.
    """
    z, w = (pairs @ np.array([1, 1j]) for pairs in (points, targets))
    (a, b), *_ = np.linalg.lstsq(np.column_stack([z, np.ones(len(z))]), w, rcond=None)
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def openface_template(size: int) -> np.ndarray:
    """Outer corners of the eyes and the nose's base, [3, 2], of OpenFace's nn4 models.

    From its align_dlib.py, which scales the mean of 68 landmarks to the image; its
    pixel coordinates are those of OpenCV, in which a pixel's middle is a whole number.
    """
    points = [(0.194157, 0.169267), (0.788859, 0.158171), (0.494951, 0.514441)]
    return size * np.array(points) + 0.5


def arcface_template(size: int) -> np.ndarray:
    """Eyes, tip of the nose and corners of the mouth, [5, 2], of InsightFace's models.

    From its face_align.py: 112 pixels or a multiple; at 128 and multiples the same face
    with a margin at both sides. Other sizes are scaled from 112.
    """
    points = np.array(
        [
            (38.2946, 51.6963),
            (73.5318, 51.5014),
            (56.0252, 71.7366),
            (41.5493, 92.3655),
            (70.7299, 92.2041),
        ]
    )
    if size % 128 == 0:
        return size / 128 * (points + np.array([8, 0])) + 0.5
    return size / 112 * points + 0.5


def head_template(size: int) -> np.ndarray:
    """ArcFace's points, [5, 2], drawn together until hair and chin are in the square.

    To three quarters of the size about a point between the eyes and the nose's tip: of
    our own choosing.
    """
    middle = size * np.array([0.5, 0.45])
    return middle + 0.75 * (size / 112 * (arcface_template(112) - 0.5) - middle) + 0.5


ALIGNMENTS = {
    "dlib": Alignment(
        "outer eyes and nose, affine (OpenFace)",
        ((36,), (45,), (33,)),
        openface_template,
        affine,
    ),
    "dlib5": Alignment(
        "eyes, nose and mouth, similarity (ArcFace)",
        _FIVE_POINTS,
        arcface_template,
        similarity,
    ),
    "dlib5_head": Alignment(
        "eyes, nose and mouth, similarity, with hair and chin",
        _FIVE_POINTS,
        head_template,
        similarity,
    ),
}


def align(
    image: Image.Image, points: np.ndarray, alignment: Alignment, size: int
) -> np.ndarray:
    """Warps an RGB photo by its landmarks: uint8 [size, size, 3], black outside.

    Args:
      points: dlib's 68 landmarks in pixels, [68, 2], as `find_face` gives them.
    """
    own = np.array([points[list(group)].mean(0) for group in alignment.landmarks])
    template = alignment.template(size)
    step = 1 / np.sqrt(abs(np.linalg.det(alignment.fit(own, template)[:, :2])))
    if step > _MAX_STEP:
        # A warp reads four pixels, wherever it lands: without this it would alias.
        full = image.size
        image = image.resize([max(1, round(side / step)) for side in full])
        own = own * image.size / full
    forward = np.vstack([alignment.fit(own, template), [0, 0, 1]])
    backward = np.linalg.inv(forward)[:2].ravel().tolist()
    warped = image.transform(
        (size, size), Image.Transform.AFFINE, backward, Image.Resampling.BILINEAR
    )
    return np.array(warped)


def fraction_inside(
    photo_size: tuple[int, int], points: np.ndarray, alignment: Alignment, size: int
) -> float:
    """The share of the crop that `align` makes which lies inside the photo.

    By where the warp takes the middles of its pixels from: a black photo is inside.

    Args:
      photo_size: width and height in pixels.
      points: dlib's 68 landmarks in pixels, [68, 2].
    """
    own = np.array([points[list(group)].mean(0) for group in alignment.landmarks])
    forward = np.vstack([alignment.fit(own, alignment.template(size)), [0, 0, 1]])
    rows, columns = np.indices((size, size)) + 0.5
    middles = np.stack([columns.ravel(), rows.ravel(), np.ones(size * size)])
    sources = np.linalg.inv(forward)[:2] @ middles
    inside = (sources >= 0) & (sources < np.array(photo_size)[:, None])
    return float(inside.all(0).mean())
