"""Photos of people who are known, and who of them is nearest to another photo."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from cl_facenet.data.names import canonical
from cl_facenet.data.walk import identity_of
from cl_facenet.errors import InputError

LARGE = 1_000_000  # photos: beyond, faiss is asked, where it is installed
COSINES = 2**22  # at a time: 16 MB
# Of cosines, far above what rounding does to them: 1e-6 for 512 numbers a photo.
MARGIN = 1e-4
# Of squared distances: what computing a photo's vector in another batch does to them.
TIE = 1e-5

# Of probes [P, D] and vectors [G, D]: each probe's `count` greatest cosines and the
# rows that they are of, [P, count], the greatest first.
Search = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Candidate:
    """A person of the gallery, at the distance of the nearest of their photos."""

    person: str
    distance: float  # squared


class Gallery:
    """The people enrolled."""

    def __init__(self, people: Sequence[str], vectors: np.ndarray) -> None:
        """From whose photo each vector is of [G], and unit vectors float32 [G, D].

        Raises:
          InputError: no vector, or one of NaN, as photos without a face have.
        """
        missing = int(np.isnan(vectors.sum(1)).sum())
        if missing or not len(vectors):
            raise InputError(
                f"a gallery of {len(vectors):,} photos, {missing:,} of them without a "
                "face: enrol photos with a face in them"
            )
        self.vectors = vectors
        self.people, self._rows, photos = np.unique(
            np.array(people, object), return_inverse=True, return_counts=True
        )
        self._most_photos = int(photos.max())  # of one person
        large = len(vectors) > LARGE and find_spec("faiss") is not None
        self._search: Search = by_faiss if large else by_products

    def nearest(self, probes: np.ndarray, count: int) -> list[list[Candidate]]:
        """The people nearest to each of some unit vectors [P, D], at most `count`.

        Nearest first, exactly as a loop over all photos has them. A search by cosines
        chooses the photos that are near; the distances of those few are computed anew,
        for by products a photo is 1e-7 from itself and no two are alike.

        Nobody is near to a row of NaN, as photos without a face have.
        """
        known = ~np.isnan(probes.sum(1))
        found = iter(self._nearest(probes[known], count))
        return [next(found) if one else [] for one in known]

    def tie(self, probe: np.ndarray) -> list[Candidate]:
        """The people whose nearest photo is as near as the nearest of all, if several.

        Args:
          probe: a unit vector [D].
        """
        count = 2
        while True:
            (nearest,) = self.nearest(probe[None], count)
            tied = tied_first(nearest)
            if len(tied) < len(nearest) or len(nearest) < count:
                return tied if len(tied) > 1 else []
            count *= 2

    def _nearest(self, probes: np.ndarray, count: int) -> list[list[Candidate]]:
        at_once = max(1, COSINES // len(self.vectors))
        blocks = [probes[at : at + at_once] for at in range(0, len(probes), at_once)]
        return [
            self._nearest_of(rows, probe, count)
            for block in blocks
            for rows, probe in zip(self._near(block, count), block, strict=True)
        ]

    def _near(self, probes: np.ndarray, count: int) -> list[np.ndarray]:
        """For each probe the rows of all photos that can be of its `count` people."""
        total = len(self.vectors)
        # Among so many photos there are `count` people, whoever they are of.
        enough = min((count - 1) * self._most_photos + 1, total)
        seen = enough
        while True:
            seen = min(2 * seen, total)
            cosines, rows = self._search(probes, self.vectors, seen)
            # With those that are as near but for rounding.
            near = cosines > cosines[:, enough - 1, None] - MARGIN
            if seen == total or not near[:, -1].any():
                return [own[kept] for own, kept in zip(rows, near, strict=True)]

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


def by_products(
    probes: np.ndarray, vectors: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """A `Search` by NumPy."""
    cosines = probes @ vectors.T
    rows = np.argpartition(cosines, -count)[:, -count:]
    greatest = np.take_along_axis(cosines, rows, 1)
    order = np.argsort(-greatest, 1)
    return np.take_along_axis(greatest, order, 1), np.take_along_axis(rows, order, 1)


def by_faiss(
    probes: np.ndarray, vectors: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """A `Search` by faiss (the extra `faiss`), by all cores; it copies no vector."""
    import faiss

    found: tuple[np.ndarray, np.ndarray] = faiss.knn(
        probes, vectors, count, metric=faiss.METRIC_INNER_PRODUCT
    )
    return found


def tied_first(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that are as near as the first, but for rounding; itself among them."""
    return [
        candidate
        for candidate in candidates
        if candidate.distance - candidates[0].distance <= TIE
    ]


def match(candidates: Sequence[Candidate], threshold: float) -> Candidate | None:
    """The nearest of the candidates, if it is below the threshold; a tie is nobody."""
    tied = tied_first(candidates)
    return tied[0] if len(tied) == 1 and tied[0].distance < threshold else None


def identities_of(names: Iterable[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Who is on photos, by the photos' names, and who of them is spelled in two ways.

    Returns:
      Of each photo the identity, in `canonical` spelling, and the spellings of each
      identity that has several.
    """
    spelled = [identity_of(name) for name in names]
    spellings: dict[str, set[str]] = defaultdict(set)
    for one in spelled:
        spellings[canonical(one)].add(one)
    merged = {one: sorted(all_) for one, all_ in spellings.items() if len(all_) > 1}
    return [canonical(one) for one in spelled], merged
