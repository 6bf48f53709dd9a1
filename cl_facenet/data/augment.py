"""Random changes to training photos: numpy, uint8 [S, S, 3] in and out.

Each function takes the photo, the generator that decides, and an amount.
"""

import math
from dataclasses import dataclass, fields

import numpy as np

from cl_facenet.errors import InputError


@dataclass(frozen=True)
class Augment:
    """The changes in order; a zero leaves that one out, all zero the photo as it is.

    Attributes:
        mirror: probability of swapping left and right.
        shift: largest move along each axis, in pixels.
        brightness: largest change, as a share of the range of 255.
        contrast: largest change of the contrast factor from 1.
        erase: probability of erasing a rectangle.
    """

    mirror: float
    shift: int
    brightness: float
    contrast: float
    erase: float

    def __post_init__(self) -> None:
        """Raise InputError for a value out of range, naming data.augment.KEY."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "shift":
                if not isinstance(value, int) or value < 0:
                    raise InputError(
                        f"data.augment.shift={value}: give whole pixels, 0 or more"
                    )
            elif not 0 <= value <= 1:
                raise InputError(
                    f"data.augment.{field.name}={value}: give a number from 0 to 1"
                )

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a changed copy of a photo, uint8 [S, S, 3]."""
        if self.mirror:
            image = mirror(image, rng, self.mirror)
        if self.shift:
            image = shift(image, rng, self.shift)
        if self.brightness:
            image = brightness(image, rng, self.brightness)
        if self.contrast:
            image = contrast(image, rng, self.contrast)
        if self.erase:
            image = erase(image, rng, self.erase)
        return image


def mirror(
    image: np.ndarray, rng: np.random.Generator, probability: float
) -> np.ndarray:
    """Swap left and right."""
    return image[:, ::-1] if rng.random() < probability else image


def shift(image: np.ndarray, rng: np.random.Generator, max_shift: int) -> np.ndarray:
    """Move by up to `max_shift` pixels along both axes, repeating the edge."""
    down, right = rng.integers(-max_shift, max_shift, 2, endpoint=True)
    height, width = image.shape[:2]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return image[rows[:, None], columns]


def brightness(
    image: np.ndarray, rng: np.random.Generator, max_change: float
) -> np.ndarray:
    """Add up to `max_change` of 255 to every pixel, or take it away."""
    return _to_uint8(image + np.float32(255 * rng.uniform(-max_change, max_change)))


def contrast(
    image: np.ndarray, rng: np.random.Generator, max_change: float
) -> np.ndarray:
    """Scale by a factor from 1 - `max_change` to 1 + `max_change` about the mean."""
    factor = np.float32(rng.uniform(1 - max_change, 1 + max_change))
    mean = image.mean(dtype=np.float32)
    return _to_uint8((image - mean) * factor + mean)


def erase(
    image: np.ndarray, rng: np.random.Generator, probability: float
) -> np.ndarray:
    """Fill a rectangle with noise (random erasing, Zhong et al., arXiv 1708.04896).

    It has 0.02 to 0.25 of the photo's area and sides in a ratio from 1:2 to 2:1.
    """
    if rng.random() >= probability:
        return image
    area = rng.uniform(0.02, 0.25) * image.shape[0] * image.shape[1]
    ratio = math.exp(rng.uniform(-math.log(2), math.log(2)))
    height = max(1, min(round(math.sqrt(area * ratio)), image.shape[0]))
    width = max(1, min(round(math.sqrt(area / ratio)), image.shape[1]))
    top = rng.integers(image.shape[0] - height, endpoint=True)
    left = rng.integers(image.shape[1] - width, endpoint=True)
    erased = image.copy()
    erased[top : top + height, left : left + width] = rng.integers(
        0, 256, (height, width, image.shape[2]), dtype=np.uint8
    )
    return erased


def _to_uint8(image: np.ndarray) -> np.ndarray:
    return np.rint(image).clip(0, 255).astype(np.uint8)
