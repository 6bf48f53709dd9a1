"""How a photo becomes the square that a network sees, and how to say so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from PIL import Image

from cl_facenet.data.align import ALIGNMENTS, align
from cl_facenet.data.landmarks import DETECTOR, MODEL, find_face
from cl_facenet.data.photos import fit_square
from cl_facenet.errors import InputError

ALIGN = ("none", *ALIGNMENTS)


@dataclass(frozen=True)
class Square:
    """uint8 [S, S, 3], and whether a face was found in the photo, if one was sought."""

    pixels: np.ndarray
    found: bool


@dataclass(frozen=True)
class Preprocessing:
    """From an RGB photo to a square of `image_size` pixels.

    `align` is "none" (the central square, resized), "dlib" (the outer corners of the
    eyes and the nose go where OpenFace has them), "dlib5" (eyes, nose and mouth go
    where ArcFace has them) or "dlib5_head" (the same, farther off: with hair and chin).

    Raises:
      InputError: when made with another value.
    """

    align: str
    image_size: int

    @classmethod
    def of(cls, align: str, image_size: int | None) -> Self:
        """Without a size of the peer's: ArcFace's 112 for dlib5, else OpenFace's 96."""
        if image_size is None:
            image_size = 112 if align == "dlib5" else 96
        return cls(align, image_size)

    def __post_init__(self) -> None:
        if self.align not in ALIGN:
            raise InputError(f"align is {self.align!r}: choose of {', '.join(ALIGN)}")
        if self.image_size < 1:
            raise InputError(f"image size {self.image_size}: it is 1 pixel or more")

    @property
    def finds_faces(self) -> bool:
        """Whether dlib is at work, which takes its time and holds Python's lock."""
        return self.align != "none"

    def keeps(self, size: tuple[int, int]) -> bool:
        """Whether photos of this height and width stay as they are."""
        return not self.finds_faces and size == (self.image_size, self.image_size)

    def __call__(self, image: Image.Image) -> Square:
        """Makes an RGB photo square.

        Raises:
          InputError: what the alignment needs is not installed.
        """
        if not self.finds_faces:
            return Square(fit_square(image, self.image_size), found=True)
        face = find_face(image)
        alignment = ALIGNMENTS[self.align]
        pixels = align(image, face.points, alignment, self.image_size)
        return Square(pixels, face.found)

    def describe(self) -> dict[str, Any]:
        """What metadata and checkpoints say; `described` reads it back."""
        about = {"align": self.align, "image_size": self.image_size, "channels": "RGB"}
        if self.align == "none":
            return about | {"fit": "center_square", "resample": "bicubic"}
        return about | {
            "fit": ALIGNMENTS[self.align].name,
            "resample": "bilinear",
            "detector": DETECTOR,
            "landmarks": MODEL,
        }


@dataclass(frozen=True)
class Prepared:
    """Of photos that were made square before: checks their size and leaves them so.

    `description` is of the preprocessing that they have gone through.
    """

    description: Mapping[str, Any]
    finds_faces: ClassVar[bool] = False

    @property
    def image_size(self) -> int:
        """The side of the squares in pixels."""
        return int(self.description["image_size"])

    def keeps(self, size: tuple[int, int]) -> bool:
        """Whether photos of this height and width are of the right size."""
        return size == (self.image_size, self.image_size)

    def __call__(self, image: Image.Image) -> Square:
        """The pixels of an RGB photo.

        Raises:
          InputError: it has another size.
        """
        if image.size != (self.image_size, self.image_size):
            raise InputError(
                f"a photo of {image.width} x {image.height} pixels was not prepared: "
                f"prepared ones have {self.image_size} x {self.image_size}"
            )
        return Square(np.array(image), found=True)

    def describe(self) -> dict[str, Any]:
        """What metadata and checkpoints say."""
        return dict(self.description)


def described(description: Mapping[str, Any]) -> Preprocessing:
    """The preprocessing that a description is of.

    Raises:
      InputError: it is of one that this version does not know.
    """
    try:
        align, image_size = description["align"], int(description["image_size"])
    except KeyError as error:
        raise InputError(
            f"a preprocessing without {error} in it: {description}"
        ) from error
    except (TypeError, ValueError) as error:
        raise InputError(f"a preprocessing of no image size: {description}") from error
    preprocessing = Preprocessing(align, image_size)
    if preprocessing.describe() != dict(description):
        raise InputError(
            f"photos were prepared as {say(description)}; this version of cl_facenet "
            f"would prepare them as {say(preprocessing.describe())}"
        )
    return preprocessing


def check_same(photos: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    """Refuses photos that were prepared in another way than a model's were.

    Raises:
      InputError: so they were; both ways are named.
    """
    if dict(photos) != dict(model):
        raise InputError(
            f"the photos were prepared as {say(photos)}; the model was trained on "
            f"photos prepared as {say(model)}: prepare these in that way, too"
        )


def say(description: Mapping[str, Any]) -> str:
    """A description in one line of an error."""
    return ", ".join(f"{name} {value}" for name, value in description.items())
