"""Random changes to training photos: numpy, uint8 [S, S, 3] in and out.

Each function takes the photo, the generator that decides, and an amount.
"""

import math
from dataclasses import dataclass, fields

import numpy as np
from PIL import Image, ImageFilter

from cl_facenet.errors import InputError

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as in JPEG


@dataclass(frozen=True, kw_only=True)
class Augment:
    """The changes in order; a zero leaves that one out, all zero the photo as it is.

    Attributes:
        mirror: probability of swapping left and right.
        rotate: largest turn about the middle, in degrees each way.
        zoom: largest change of size about the middle, as a share of it.
        shift: largest move along each axis, in pixels.
        blur: largest standard deviation of a Gaussian to blur by, in pixels.
        grey: probability of taking the colours away.
        brightness: largest change, as a share of the range of 255.
        contrast: largest change of the contrast factor from 1.
        erase: probability of erasing a rectangle.
    """

    mirror: float = 0.0
    rotate: float = 0.0
    zoom: float = 0.0
    shift: int = 0
    blur: float = 0.0
    grey: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    erase: float = 0.0

    def __post_init__(self) -> None:
        """Raise InputError for a value out of range, naming data.augment.KEY."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "shift":
                if not isinstance(value, int) or value < 0:
                    raise InputError(
                        f"data.augment.shift={value}: give whole pixels, 0 or more"
                    )
            elif field.name == "rotate":
                if not 0 <= value <= 180:
                    raise InputError(
                        f"data.augment.rotate={value}: give degrees from 0 to 180"
                    )
            elif field.name == "blur":
                if not 0 <= value < math.inf:
                    raise InputError(
                        f"data.augment.blur={value}: give pixels, 0 or more"
                    )
            elif field.name == "zoom" and value == 1:
                raise InputError("data.augment.zoom=1: give a number from 0 to below 1")
            elif not 0 <= value <= 1:
                raise InputError(
                    f"data.augment.{field.name}={value}: give a number from 0 to 1"
                )

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a changed copy of a photo, uint8 [S, S, 3]."""
        if self.mirror:
            image = mirror(image, rng, self.mirror)
        if self.rotate or self.zoom:
            image = turn(image, rng, self.rotate, self.zoom)
        if self.shift:
            image = shift(image, rng, self.shift)
        if self.blur:
            image = blur(image, rng, self.blur)
        if self.grey:
            image = grey(image, rng, self.grey)
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


def turn(
    image: np.ndarray, rng: np.random.Generator, max_degrees: float, max_zoom: float
) -> np.ndarray:
    """Turn and scale about the middle, bilinearly; what comes into view is grey.

    By up to `max_degrees` each way, and a factor from 1 - `max_zoom` to its inverse,
    uniform in its logarithm.
    """
    angle = math.radians(rng.uniform(-max_degrees, max_degrees))
    most = math.log(1 / (1 - max_zoom))
    scale = math.exp(rng.uniform(-most, most))
    cosine, sine = math.cos(angle) / scale, math.sin(angle) / scale
    # Pillow wants where each pixel comes from, measured from the corner.
    x, y = image.shape[1] / 2, image.shape[0] / 2
    left = x - cosine * x - sine * y
    top = y + sine * x - cosine * y
    turned = Image.fromarray(image).transform(
        (image.shape[1], image.shape[0]),
        Image.Transform.AFFINE,
        (cosine, sine, left, -sine, cosine, top),
        Image.Resampling.BILINEAR,
        fillcolor=(128, 128, 128),
    )
    return np.asarray(turned)


def shift(image: np.ndarray, rng: np.random.Generator, max_shift: int) -> np.ndarray:
    """Move by up to `max_shift` pixels along both axes, repeating the edge."""
    down, right = rng.integers(-max_shift, max_shift, 2, endpoint=True)
    height, width = image.shape[:2]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return image[rows[:, None], columns]


def blur(image: np.ndarray, rng: np.random.Generator, most: float) -> np.ndarray:
    """Blur by a Gaussian whose standard deviation is up to `most` pixels."""
    gaussian = ImageFilter.GaussianBlur(rng.uniform(0, most))
    return np.asarray(Image.fromarray(image).filter(gaussian))


def grey(image: np.ndarray, rng: np.random.Generator, probability: float) -> np.ndarray:
    """Take the colours away."""
    if rng.random() >= probability:
        return image
    return np.broadcast_to(_to_uint8(image @ _LUMA)[..., None], image.shape)


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
