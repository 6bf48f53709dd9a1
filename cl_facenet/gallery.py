"""Photos of people who are known, and who of them is nearest to another photo."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CHUNK = 16_384  # photos at a time: 8 MB for 128 numbers a photo
PROBES = 64  # at a time: each chunk is read once for all of them
# Of cosines, far above what rounding does to them: 1e-6 for 512 numbers a photo.
MARGIN = 1e-4


@dataclass(frozen=True)
class Candidate:
    """A person of the gallery, at the distance of the nearest of their photos."""

    person: str
    distance: float  # squared


class Gallery:
    """The people enrolled."""

    def __init__(self, people: Sequence[str], vectors: np.ndarray) -> None:
        """From whose photo each vector is of [G], and unit vectors float32 [G, D]."""
        self.vectors = vectors
        self.people, self._rows, photos = np.unique(
            np.array(people, object), return_inverse=True, return_counts=True
        )
        self._most_photos = int(photos.max())  # of one person

    def nearest(self, probes: np.ndarray, count: int) -> list[list[Candidate]]:
        """The people nearest to each of some unit vectors [P, D], at most `count`.

        Nearest first, exactly as a loop over all photos has them. Matrix products
        choose the photos that are near; the distances of those few are computed anew,
        for by products a photo is 1e-7 from itself and no two are alike.
        """
        blocks = [probes[at : at + PROBES] for at in range(0, len(probes), PROBES)]
        return [
            self._nearest_of(rows, probe, count)
            for block in blocks
            for rows, probe in zip(self._near(block, count), block, strict=True)
        ]

    def _near(self, probes: np.ndarray, count: int) -> list[np.ndarray]:
        """For each probe the rows of all photos that can be of its `count` people."""
        # Among so many photos there are `count` people, whoever they are of.
        enough = (count - 1) * self._most_photos + 1
        near = [_Near(enough) for _ in probes]
        for start in range(0, len(self.vectors), CHUNK):
            cosines = probes @ self.vectors[start : start + CHUNK].T
            for one, row in zip(near, cosines, strict=True):
                one.add(row, start)
        return [one.rows for one in near]

    def _nearest_of(
        self, rows: np.ndarray, probe: np.ndarray, count: int
    ) -> list[Candidate]:
        """The people of some photos."""
        distances = np.square(self.vectors[rows] - probe).sum(-1)
        people, places = np.unique(self._rows[rows], return_inverse=True)
        by_person = np.full(len(people), np.inf, np.float32)
        np.minimum.at(by_person, places, distances)
        order = np.argsort(by_person, kind="stable")[:count]
        return [Candidate(self.people[people[i]], float(by_person[i])) for i in order]


class _Near:
    """The photos nearest to one probe, of all that it was shown.

    Attributes:
      rows: `enough` of them, and those that are as near but for rounding.
    """

    def __init__(self, enough: int) -> None:
        self.rows = np.empty(0, np.int64)
        self._cosines = np.empty(0, np.float32)
        self._enough = enough
        self._least = -np.inf

    def add(self, cosines: np.ndarray, start: int) -> None:
        """Looks at the cosines [C] of the photos from row `start` on."""
        found = np.flatnonzero(cosines > self._least)
        if not len(found):
            return
        self.rows = np.append(self.rows, found + start)
        self._cosines = np.append(self._cosines, cosines[found])
        if len(self.rows) > self._enough:
            last = np.partition(self._cosines, -self._enough)[-self._enough]
            self._least = last - MARGIN
            kept = self._cosines > self._least
            self.rows, self._cosines = self.rows[kept], self._cosines[kept]


def match(candidates: Sequence[Candidate], threshold: float) -> Candidate | None:
    """The nearest of the candidates, if it is below the threshold; a tie is nobody."""
    first, *others = candidates
    tied = bool(others) and others[0].distance == first.distance
    return None if tied or not first.distance < threshold else first


def person_of(name: str) -> str:
    """Whose photo it is: ann/1.jpg, ann/old/2.jpg and ann.jpg are of ann."""
    top, *below = Path(name).parts
    return top if below else Path(name).stem
