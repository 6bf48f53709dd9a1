"""Who is it, among the people enrolled, or is it nobody of them?

A gallery holds photos of the people enrolled; a probe is a photo to be named. Mated
probes show enrolled people, unknown probes others. A probe's match is the person of its
nearest gallery photo, by the squared distance d. Closed set, mated probes alone: is the
match right? Open set: the match counts iff d < t, and t is to refuse the unknown.

P. J. Phillips, P. Grother, R. Micheals, Evaluation methods in face recognition, in
Handbook of Face Recognition, 2011; on Labeled Faces in the Wild, M. Guenther et al.,
Toward Open-Set Face Recognition, 2017, arXiv:1705.01567.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import pairwise_distances_chunked

from cl_facenet.errors import InputError
from cl_facenet.evaluation.roc import greatest_threshold, tells

WORKING_MEMORY = 256  # MiB of distances at a time
FALSE_ALARM_RATES = (0.01, 0.1)


@dataclass(frozen=True)
class Enrolment:
    """Which photo plays which part: rows of the labels and embeddings."""

    gallery: np.ndarray  # int [G]
    mated: np.ndarray  # int [M], of people in the gallery
    unknown: np.ndarray  # int [U], of people not in it


@dataclass(frozen=True)
class Identification:
    """Shares of probes, from 0 to 1."""

    cmc: np.ndarray  # float64 [num_people], [k - 1]: right person among the k nearest
    dir_at_far: dict[float, float | None]  # None: the unknown are too few to tell
    num_gallery: int  # photos
    num_probes: int  # mated
    num_people: int  # enrolled
    num_unknown_probes: int
    protocol: str

    @property
    def rank_1(self) -> float:
        """The share of mated probes whose match is right."""
        return float(self.cmc[0])

    def summary(self) -> dict[str, Any]:
        """The `identification` object of results.json."""
        return {
            "rank_1": self.rank_1,
            "dir_at_far": {str(far): rate for far, rate in self.dir_at_far.items()},
            "num_gallery": self.num_gallery,
            "num_probes": self.num_probes,
            "num_people": self.num_people,
            "num_unknown_probes": self.num_unknown_probes,
            "protocol": self.protocol,
        }


def enrol(labels: np.ndarray, *, seed: int) -> Enrolment:
    """Parts for photos of the people labels [N], drawn by `seed`.

    Half of the people with two photos or more are enrolled, the greater half of an odd
    number: one photo each in the gallery, the others mated probes. All photos of all
    other people are unknown probes.

    Raises:
      InputError: nobody has two photos, or nobody is left to be unknown.
    """
    rng = np.random.default_rng(seed)
    people, who, num_photos = np.unique(labels, return_inverse=True, return_counts=True)
    several = np.flatnonzero(num_photos > 1)
    if not len(several):
        raise InputError(
            "nobody has two photos, one to enrol and one to recognise: add photos"
        )
    enrolled = rng.permutation(several)[: (len(several) + 1) // 2]
    if len(enrolled) == len(people):
        raise InputError("nobody is left to be unknown: add people")
    photos = rng.permutation(len(who))
    _, first = np.unique(who[photos], return_index=True)  # of each person
    gallery = np.sort(photos[first[enrolled]])
    known = np.isin(who, enrolled)
    mated = np.setdiff1d(np.flatnonzero(known), gallery)
    return Enrolment(gallery=gallery, mated=mated, unknown=np.flatnonzero(~known))


def identify(
    embeddings: np.ndarray, labels: np.ndarray, enrolment: Enrolment, *, protocol: str
) -> Identification:
    """Scores embeddings [N, D] of photos of the people labels [N].

    CMC at k: the share of mated probes to which fewer than k other people are as near
    as the right one. DIR at FAR f: the share of mated probes with the right match and
    d < t, for the greatest t that at most the share f of the unknown probes pass with
    any match; None where these are too few to tell (`roc.tells`). A tie is never a
    match.

    Raises:
      InputError: a number is not finite, a part is empty, a mated probe's person is not
        in the gallery or an unknown one's is.
    """
    _check(embeddings, labels, enrolment)
    distances, ranks = _find(embeddings, labels, enrolment)
    chunks = _nearest(embeddings, labels, enrolment, enrolment.unknown)
    strangers = np.concatenate([nearest.min(1) for nearest in chunks])
    thresholds = {
        far: greatest_threshold(strangers, far)
        for far in FALSE_ALARM_RATES
        if tells(len(strangers), far)
    }
    num_people = len(np.unique(labels[enrolment.gallery]))
    found = np.bincount(ranks, minlength=num_people + 1)[1:]
    return Identification(
        cmc=np.cumsum(found) / len(ranks),
        dir_at_far=dict.fromkeys(FALSE_ALARM_RATES)
        | {
            far: float(np.mean((ranks == 1) & (distances < threshold)))
            for far, threshold in thresholds.items()
        },
        num_gallery=len(enrolment.gallery),
        num_probes=len(enrolment.mated),
        num_people=num_people,
        num_unknown_probes=len(enrolment.unknown),
        protocol=protocol,
    )


def _nearest(
    embeddings: np.ndarray, labels: np.ndarray, enrolment: Enrolment, probes: np.ndarray
) -> Iterator[np.ndarray]:
    """d of probes to the nearest photo of each person enrolled, [n, num_people] each.

    Some probes at a time, so that memory stays bounded; people by ascending label.
    """
    gallery = enrolment.gallery[np.argsort(labels[enrolment.gallery])]
    _, starts = np.unique(labels[gallery], return_index=True)
    return pairwise_distances_chunked(
        embeddings[probes],
        embeddings[gallery],
        reduce_func=lambda d, _: np.minimum.reduceat(d, starts, axis=1),
        metric="sqeuclidean",  # exact: no 2 - 2 cos, which loses what is near
        working_memory=WORKING_MEMORY,
    )


def _find(
    embeddings: np.ndarray, labels: np.ndarray, enrolment: Enrolment
) -> tuple[np.ndarray, np.ndarray]:
    """Mated probes' d to the right person, float64 [M], and its rank, int [M]."""
    people = np.unique(labels[enrolment.gallery])
    who = np.searchsorted(people, labels[enrolment.mated])
    distances, ranks = np.empty(len(who)), np.empty(len(who), np.int64)
    start = 0
    for nearest in _nearest(embeddings, labels, enrolment, enrolment.mated):
        rows = slice(start, start + len(nearest))
        right = np.take_along_axis(nearest, who[rows, None], axis=1)
        distances[rows] = right[:, 0]
        ranks[rows] = np.sum(nearest <= right, axis=1)
        start = rows.stop
    return distances, ranks


def _check(embeddings: np.ndarray, labels: np.ndarray, enrolment: Enrolment) -> None:
    if not np.isfinite(embeddings).all():
        raise InputError(
            "embeddings are not finite: the training has diverged; lower "
            "optimizer.learning_rate or center.weight"
        )
    parts = {
        "gallery photos": enrolment.gallery,
        "mated probes": enrolment.mated,
        "unknown probes": enrolment.unknown,
    }
    for name, rows in parts.items():
        if not len(rows):
            raise InputError(f"there are no {name}: add photos or people")
    enrolled = labels[enrolment.gallery]
    strays = np.count_nonzero(~np.isin(labels[enrolment.mated], enrolled))
    if strays:
        raise InputError(f"{strays} mated probes are of people not in the gallery")
    known = np.count_nonzero(np.isin(labels[enrolment.unknown], enrolled))
    if known:
        raise InputError(f"{known} unknown probes are of people in the gallery")
