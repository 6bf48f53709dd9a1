"""Made-up faces, drawn on demand, for tests of load and scale.

People differ in build and colour, photos of a person in pose, light and expression.
"""

import hashlib
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image, ImageDraw

from cl_facenet.data.photos import Photo, Source
from cl_facenet.errors import InputError

SIZE = 112
# To be raised when the drawing changes, so that prepared copies are not reused.
_DRAWING = 1


def synthetic_source(num_people: int, photos_per_person: int, seed: int) -> Source:
    """Return made-up people; photo i of person j depends on (seed, j, i) alone."""
    if num_people < 1 or photos_per_person < 1:
        raise InputError(
            f"synthetic: {num_people} people with {photos_per_person} photos; "
            "both numbers must be 1 or more"
        )
    photos = [
        Photo(f"p{j + 1}", f"p{j + 1}/{i + 1}", partial(draw_photo, seed, j, i))
        for j in range(num_people)
        for i in range(photos_per_person)
    ]
    decides = f"{_DRAWING} {num_people} {photos_per_person} {seed}"
    return Source("synthetic", photos, hashlib.sha256(decides.encode()).hexdigest())


def draw_photo(seed: int, person: int, photo: int) -> Image.Image:
    """Draw one photo of one made-up person: RGB, 112 x 112 pixels."""
    # Seeds are padded with zeros, so the person's own stream must not end in photo 0.
    face = _Face.random(np.random.default_rng([seed, person, 0]))
    rng = np.random.default_rng([seed, person, photo + 1])
    wall = _colour(rng.uniform(40, 220, 3))
    image = Image.new("RGB", (SIZE, SIZE), wall)
    _draw_head(ImageDraw.Draw(image), face)
    _draw_features(ImageDraw.Draw(image), face, mouth_open=rng.uniform(0, 6))
    return _light(_pose(image, rng, wall), rng)


@dataclass(frozen=True)
class _Face:
    """What stays the same in all photos of a person; lengths in pixels."""

    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    half_width: float
    half_height: float
    hairline: float
    long_hair: bool
    eye_distance: float
    eye_size: float
    brow_height: float
    brow_thickness: float
    brow_tilt: float
    nose_length: float
    nose_width: float
    mouth_width: float
    lips: float

    @classmethod
    def random(cls, rng: np.random.Generator) -> "_Face":
        return cls(
            skin=np.array([1.0, 0.78, 0.62]) * rng.uniform(90, 245),
            hair=rng.uniform([15, 10, 5], [230, 190, 140]),
            iris=rng.uniform(20, 160, 3),
            half_width=rng.uniform(26, 38),
            half_height=rng.uniform(36, 46),
            hairline=rng.uniform(0.15, 0.6),
            long_hair=bool(rng.random() < 0.5),
            eye_distance=rng.uniform(10, 18),
            eye_size=rng.uniform(3, 6.5),
            brow_height=rng.uniform(6, 12),
            brow_thickness=rng.uniform(1, 5),
            brow_tilt=rng.uniform(-3, 3),
            nose_length=rng.uniform(10, 22),
            nose_width=rng.uniform(3, 8),
            mouth_width=rng.uniform(7, 18),
            lips=rng.uniform(1, 5),
        )


def _draw_head(draw: ImageDraw.ImageDraw, face: _Face) -> None:
    x = y = SIZE / 2
    w, h = face.half_width, face.half_height
    bottom = y + (h if face.long_hair else 0)
    draw.rounded_rectangle(
        (x - w - 5, y - h - 6, x + w + 5, bottom), radius=w, fill=_colour(face.hair)
    )
    draw.ellipse((x - w, y - h, x + w, y + h), fill=_colour(face.skin))
    fringe = y - h + face.hairline * h
    draw.chord(
        (x - w, y - h - 4, x + w, 2 * fringe - y + h), 180, 360, _colour(face.hair)
    )


def _draw_features(draw: ImageDraw.ImageDraw, face: _Face, mouth_open: float) -> None:
    x, eye_y, size = SIZE / 2, SIZE / 2 - 6, face.eye_size
    shade = _colour(face.skin * 0.7)
    for side in (-1, 1):
        eye_x = x + side * face.eye_distance
        inner, outer = eye_x - side * size * 1.6, eye_x + side * size * 1.6
        left, right = min(inner, outer), max(inner, outer)
        draw.ellipse((left, eye_y - size, right, eye_y + size), fill="white")
        pupil = size * 0.7
        box = (eye_x - pupil, eye_y - pupil, eye_x + pupil, eye_y + pupil)
        draw.ellipse(box, fill=_colour(face.iris))
        brow = eye_y - face.brow_height
        draw.line(
            (inner, brow + face.brow_tilt, outer, brow - face.brow_tilt),
            fill=_colour(face.hair * 0.8),
            width=round(face.brow_thickness),
        )
    tip = eye_y + face.nose_length
    draw.polygon(
        [(x, eye_y), (x - face.nose_width, tip), (x + face.nose_width, tip)], fill=shade
    )
    mouth_y = SIZE / 2 + face.half_height * 0.58
    width, lips = face.mouth_width, face.lips + mouth_open / 2
    draw.ellipse((x - width, mouth_y - lips, x + width, mouth_y + lips), fill="brown")
    gap = mouth_open / 2
    draw.ellipse((x - width, mouth_y - gap, x + width, mouth_y + gap), fill="black")


def _pose(
    image: Image.Image, rng: np.random.Generator, wall: tuple[int, ...]
) -> Image.Image:
    """Tilt by up to 8 degrees, scale by up to 8 % and shift by up to 4 pixels."""
    angle = np.deg2rad(rng.uniform(-8, 8))
    scale = rng.uniform(0.92, 1.08)
    shift_x, shift_y = rng.uniform(-4, 4, 2)
    cos, sin, middle = np.cos(angle) / scale, np.sin(angle) / scale, SIZE / 2
    matrix = (
        *(cos, sin, middle - cos * (middle + shift_x) - sin * (middle + shift_y)),
        *(-sin, cos, middle + sin * (middle + shift_x) - cos * (middle + shift_y)),
    )
    return image.transform(
        image.size,
        Image.Transform.AFFINE,
        matrix,
        Image.Resampling.BILINEAR,
        fillcolor=wall,
    )


def _light(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Change the exposure, light one side more and add a little noise."""
    side = np.linspace(-1, 1, SIZE, dtype=np.float32) * rng.uniform(-0.2, 0.2)
    gain = side[:, None] + rng.uniform(0.8, 1.15)
    noise = 3 * rng.standard_normal((SIZE, SIZE, 3), dtype=np.float32)
    lit = np.asarray(image) * gain.astype(np.float32) + noise
    return Image.fromarray(lit.clip(0, 255).astype(np.uint8))


def _colour(rgb: np.ndarray) -> tuple[int, ...]:
    return tuple(int(value) for value in np.clip(rgb, 0, 255))
