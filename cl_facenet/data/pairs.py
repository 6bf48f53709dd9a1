"""Pairs of photos to be called the same person or different, in folds."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from cl_facenet.data.names import by_name, say_some, spelling
from cl_facenet.errors import InputError

NUM_FOLDS = 10
MAX_PAIRS = 20_000_000  # some 3 GB


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs among some photos, and what is to be found out about them.

    Attributes:
        rows: the two photos of each pair, as places among the photos, int [P, 2].
        same: whether they are of one person, bool [P].
        folds: int [P]; the threshold of one comes from the others.
        protocol: what results call it.
    """

    rows: np.ndarray
    same: np.ndarray
    folds: np.ndarray
    protocol: str


def all_pairs(labels: np.ndarray, *, seed: int) -> Pairs:
    """Every pair of the photos of people labels [N], in ten folds at random.

    Raises:
        InputError: too few photos for ten folds, or more than MAX_PAIRS pairs.
    """
    num_pairs = len(labels) * (len(labels) - 1) // 2
    if num_pairs > MAX_PAIRS:
        raise InputError(
            f"verification on all pairs of {len(labels):,} photos would be "
            f"{num_pairs:,}, over {MAX_PAIRS:,}: lower data.verification_share"
        )
    if num_pairs < NUM_FOLDS:
        raise InputError(
            f"verification on {num_pairs} pairs, under {NUM_FOLDS}: raise "
            "data.verification_share, or set it to 0"
        )
    rows = np.stack(np.triu_indices(len(labels), k=1), axis=-1)
    left, right = np.asarray(labels)[rows.T]
    folds = assign_folds(left == right, seed=seed)
    protocol = "all pairs of people never trained on, 10 folds"
    return Pairs(rows, left == right, folds, protocol)


def drawn_pairs(labels: np.ndarray, *, most: int, seed: int) -> Pairs:
    """Pairs of people labels [N] that nobody rules by having many photos.

    At most `most` pairs of photos of each person, and as many of two people, who are
    drawn first and then a photo of each; in ten folds. Everyone counts about the same,
    as in LFW's own lists.

    Raises:
        InputError: fewer than ten pairs, or nobody to be mistaken for another.
    """
    rng = np.random.default_rng(seed)
    order = np.argsort(labels, kind="stable")
    people = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    if len(people) < 2:
        raise InputError("pairs of different people take two people or more")
    same = [
        photos[rng.permutation(np.stack(np.triu_indices(len(photos), 1), 1))[:most]]
        for photos in people
    ]
    rows = np.concatenate(same)
    first, step = rng.integers([0, 1], len(people), (len(rows), 2)).T
    different = [
        [rng.choice(people[person]) for person in pair]
        for pair in zip(first, (first + step) % len(people), strict=True)
    ]
    is_same = np.arange(2 * len(rows)) < len(rows)
    protocol = f"at most {most} pairs of a person, as many of two people, 10 folds"
    return Pairs(
        np.concatenate([rows, np.reshape(different, (-1, 2))]).astype(np.int64),
        is_same,
        assign_folds(is_same, seed=seed),
        protocol,
    )


def listed_pairs(
    listed: Sequence[tuple[str, str]],
    same: np.ndarray,
    folds: np.ndarray,
    *,
    names: Sequence[str],
    protocol: str,
) -> Pairs:
    """The pairs of a list, among photos of some names.

    Raises:
        InputError: a photo of the list is not among the names; none is ever left out.
    """
    places, find = {name: place for place, name in enumerate(names)}, by_name(names)
    wanted = {photo: find(photo) for pair in listed for photo in pair}
    missing = [photo for photo, name in wanted.items() if name is None]
    if missing:
        raise InputError(
            f"{protocol}: {len(missing)} of {len(wanted)} photos are not there, "
            f"{say_some(missing)}: pairs are not skipped, add the photos"
        )
    rows = np.array([[places[wanted[x] or x] for x in pair] for pair in listed])
    return Pairs(
        rows.reshape(-1, 2).astype(np.int64),
        np.asarray(same),
        np.asarray(folds),
        protocol,
    )


def check_people(
    pairs: Pairs, labels: np.ndarray, people: Sequence[str], lines: Sequence[int]
) -> None:
    """Refuses a list that calls two people the same, or one different.

    Args:
        labels: row in `people` of each photo that the pairs are among [N].
        lines: where each pair is in its file [P].

    Raises:
        InputError: so it does; it names the line.
    """
    left, right = labels[pairs.rows.T]
    for pair in np.flatnonzero((left == right) != pairs.same)[:1]:
        a, b = people[left[pair]], people[right[pair]]
        says = f"{a} and {b} are called the same person: they are two"
        if a == b:
            says = f"two photos of {a} are called different people: they are one"
        raise InputError(
            f"{pairs.protocol}, line {lines[pair]}: {says} in the prepared photos; "
            "mend the line"
        )


def seen(tested: Collection[str], trained: Collection[str]) -> list[str]:
    """Who of the people tested was trained on, however the names are spelt."""
    trained_on = {spelling(name) for name in trained}
    return sorted(name for name in set(tested) if spelling(name) in trained_on)


def check_unseen(
    tested: Collection[str], trained: Collection[str], protocol: str
) -> None:
    """Refuses to test on people that were trained on.

    Raises:
        InputError: so they were; it names them.
    """
    both = seen(tested, trained)
    if both:
        raise InputError(
            f"{protocol}: {len(both)} of its {len(set(tested))} people were trained "
            f"on, {say_some(both)}: a result on them would say nothing; test on "
            "others, or a model that was not"
        )


def assign_folds(
    same: np.ndarray, num_folds: int = NUM_FOLDS, *, seed: int
) -> np.ndarray:
    """A fold for each of the pairs same [P], at random: int [P], below `num_folds`.

    Each fold gets its share of the same and of the different pairs, to within one.

    Raises:
        InputError: there are fewer pairs than folds.
    """
    if len(same) < num_folds:
        raise InputError(
            f"verification on {len(same)} pairs, under {num_folds}: raise the number "
            "of pairs, by more photos or people"
        )
    order = np.random.default_rng(seed).permutation(len(same))
    order = order[np.argsort(same[order], kind="stable")]
    folds = np.empty(len(same), np.int64)
    folds[order] = np.arange(len(same)) % num_folds
    return folds
