"""People who do not exist: one person's head with features of another one's face.

There are as many of them as one likes where there are few people to train on, and none
is told from those it is made of by hair and ears, or by the mouth, alone. After Hu et
al., "Frankenstein" (arXiv 1603.06470), who exchange patches of aligned photos; the
regions, their soft edges and the matching of colours are ours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cl_facenet.data.align import ALIGNMENTS
from cl_facenet.data.records import Records
from cl_facenet.errors import InputError

_SOFTNESS = 0.15  # of the edges, in distances between the eyes
_LEAST_SPREAD = 8.0  # of colours out of 255: below, there is no matching them


@dataclass(frozen=True, eq=False)
class Composites:
    """Photos of people made of two, [m]; those of one have the same two and region.

    Attributes:
      heads: which record shows the head, int64.
      faces: which record shows the features that are put into it, int64.
      regions: which of the masks is the face's, int64.
      labels: which person that is, int32, ascending from 0.
      num_people: how many there are.
      masks: how much of each pixel is the face's, float32 [R, S, S].
    """

    heads: np.ndarray
    faces: np.ndarray
    regions: np.ndarray
    labels: np.ndarray
    num_people: int
    masks: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, position: int, records: Records) -> np.ndarray:
        """One of the photos, made of two records: uint8 [S, S, 3]."""
        return compose(
            records.image(int(self.heads[position])),
            records.image(int(self.faces[position])),
            self.masks[self.regions[position]],
        )


def draw_composites(
    indices: np.ndarray,
    labels: np.ndarray,
    *,
    num_people: int,
    photos_each: int,
    masks: np.ndarray,
    seed: int,
) -> Composites:
    """Draws two people and a mask, `num_people` times, and photos of the two.

    That is once or more. No two are made of the same two by the same mask. Each has
    `photos_each` photos, fewer where its two have fewer pairs of them.

    Args:
      indices: rows of the records [n], of photos.
      labels: who is on them [n].
      masks: float32 [R, S, S], as of `face_masks`.

    Raises:
      InputError: there are not so many people to be made.
    """
    rng = np.random.default_rng(seed)
    people, rows = np.unique(labels, return_inverse=True)
    own = [indices[rows == row] for row in range(len(people))]
    possible = len(people) * (len(people) - 1) * len(masks)
    if num_people > possible:
        raise InputError(
            f"data.composites.people is {num_people}: of {len(people)} people "
            f"{possible} can be made, lower it"
        )
    made = []
    for label, number in enumerate(rng.choice(possible, num_people, replace=False)):
        two, region = divmod(int(number), len(masks))
        head, other = divmod(two, len(people) - 1)
        face = other + (other >= head)  # anybody else
        pairs = len(own[head]) * len(own[face])
        drawn = rng.choice(pairs, min(photos_each, pairs), replace=False)
        first, second = np.divmod(drawn, len(own[face]))
        same = np.ones(len(drawn), np.int64)
        made.append((own[head][first], own[face][second], region * same, label * same))
    heads, faces, regions, of = np.hstack(made)
    return Composites(heads, faces, regions, of.astype(np.int32), num_people, masks)


def face_masks(align: str, size: int) -> np.ndarray:
    """How much of each pixel is the face's, by REGIONS: float32 [2, S, S], 0 to 1.

    Raises:
      InputError: photos aligned so have no eyes and mouths where they are looked for.
    """
    templates = {name: way.template(size) for name, way in ALIGNMENTS.items()}
    usable = {name: points for name, points in templates.items() if len(points) == 5}
    if align not in usable:
        raise InputError(
            f"data.composites wants photos aligned by {' or '.join(usable)}, these are "
            f"by {align}: prepare them so, or set data.composites.people to 0"
        )
    template = usable[align]
    y, x = np.mgrid[:size, :size] + 0.5
    eyes, nose, mouth = template[:2].mean(0), template[2], template[3:].mean(0)
    unit = float(np.linalg.norm(template[1] - template[0]))
    face = _Face(eyes, nose, mouth, unit)
    inside = np.stack([region(x, y, face) for region in REGIONS.values()])
    return 1 / (1 + np.exp(-inside.astype(np.float32) / _SOFTNESS))


def compose(head: np.ndarray, face: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The face within the mask, in the colours of the head, and the head around it.

    Within the mask the face's colours get the means and the spreads of the head's.

    Args:
      head, face: uint8 [S, S, 3].
      mask: float32 [S, S].
    """
    weights = mask.ravel() / mask.sum()

    def colours(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pixels = image.reshape(-1, 3).astype(np.float32)
        mean = weights @ pixels
        return mean, np.sqrt(weights @ np.square(pixels - mean))

    (mean, spread), (own_mean, own_spread) = colours(head), colours(face)
    factor = np.maximum(spread, _LEAST_SPREAD) / np.maximum(own_spread, _LEAST_SPREAD)
    matched = ((face - own_mean) * factor + mean).clip(0, 255)
    mixed = head + mask[..., None] * (matched - head)
    return np.rint(mixed).astype(np.uint8)


class _Face(NamedTuple):
    """Where the parts of an aligned face are, [2] each, and its unit of length."""

    eyes: np.ndarray
    nose: np.ndarray
    mouth: np.ndarray
    unit: float  # the distance between the eyes


def _inner(x: np.ndarray, y: np.ndarray, face: _Face) -> np.ndarray:
    """An ellipse from above the brows to below the mouth."""
    middle = (face.eyes + face.mouth) / 2
    high = (face.mouth[1] - face.eyes[1]) / 2 + 0.45 * face.unit
    wide = 0.95 * face.unit
    away = np.hypot((x - middle[0]) / wide, (y - middle[1]) / high)
    return (1 - away) * wide / face.unit


def _lower(x: np.ndarray, y: np.ndarray, face: _Face) -> np.ndarray:
    """All from the bridge of the nose down."""
    return (y - (face.eyes[1] + face.nose[1]) / 2) / face.unit


# Distances of pixels to their edges, in units of the face, positive inside.
REGIONS: dict[str, Callable[[np.ndarray, np.ndarray, _Face], np.ndarray]] = {
    "inner": _inner,
    "lower": _lower,
}
