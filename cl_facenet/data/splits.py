"""Who is trained on, and who is kept: nobody in the evaluation pairs is trained on."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cl_facenet.data.composites import Composites
from cl_facenet.data.names import spelling
from cl_facenet.data.pairs import Pairs, all_pairs, check_unseen
from cl_facenet.errors import InputError


@dataclass(frozen=True, eq=False)
class Split:
    """Which photo goes where: int64 indices into the records and int32 labels, [n].

    Train and held-out labels are rows in `train_people`, unseen labels rows in
    `unseen_people`. Held-out photos are of people trained on. `pairs` are of unseen
    photos. `composites` are of photos trained on, and trained on as well: as more
    people, after those in `train_people`.
    """

    train_people: list[str]
    train_indices: np.ndarray
    train_labels: np.ndarray
    heldout_indices: np.ndarray
    heldout_labels: np.ndarray
    unseen_people: list[str]
    unseen_indices: np.ndarray
    unseen_labels: np.ndarray
    pairs: Pairs | None
    composites: Composites | None = None

    @property
    def num_classes(self) -> int:
        """How many people are trained on, those made of two among them."""
        return len(self.train_people) + (
            self.composites.num_people if self.composites else 0
        )

    @property
    def photos_an_epoch(self) -> int:
        """How many photos an epoch has."""
        return len(self.train_indices) + len(self.composites or ())

    def count_photos(self) -> dict[str, int]:
        """On how many photos each person is trained."""
        counts = np.bincount(self.train_labels, minlength=len(self.train_people))
        return dict(zip(self.train_people, counts.tolist(), strict=True))

    def check(self) -> None:
        """Raises InputError where a training would go wrong without a word."""
        if not len(self.train_indices):
            raise InputError("there are no photos to train on")
        low, high = int(self.train_labels.min()), int(self.train_labels.max())
        if low < 0 or high >= len(self.train_people):
            raise InputError(
                f"labels go from {low} to {high}, but there are "
                f"{len(self.train_people)} people to train on: 0 to "
                f"{len(self.train_people) - 1}"
            )
        without = [name for name, count in self.count_photos().items() if not count]
        if without:
            raise InputError(
                f"{len(without)} people have no photo to train on, such as "
                f"{without[0]}: leave them out"
            )


def split_people(
    labels: np.ndarray,
    people: Sequence[str],
    *,
    verification_share: float,
    heldout_share: float,
    min_photos: int,
    max_photos: int,
    seed: int,
) -> Split:
    """Keep whole people for verification, then some photos of each other person.

    round(verification_share * people) people, drawn among those with two photos or
    more, are never trained on; the pairs are all pairs of their photos. The other
    people who have `min_photos` or more are trained on, each by `max_photos` of them
    that are drawn (0: by all), of which floor(heldout_share * photos) are held out for
    classification.

    Args:
        labels: row in `people` of each photo [N].

    Raises:
        InputError: a share outside [0, 1), or too few people on either side.
    """
    _check_share("verification_share", verification_share)
    rng = np.random.default_rng(seed)
    photos = _photos_by_person(labels, len(people))
    kept = _draw_verification(photos, verification_share, rng)
    trained = np.setdiff1d(np.arange(len(people)), kept)
    limits = (min_photos, max_photos)
    split = _split(photos, people, trained, kept, heldout_share, limits, rng)
    if not len(kept):
        return split
    return replace(split, pairs=all_pairs(split.unseen_labels, seed=seed))


def split_by_names(
    labels: np.ndarray,
    people: Sequence[str],
    *,
    train: Collection[str],
    unseen: Collection[str],
    heldout_share: float,
    min_photos: int,
    max_photos: int,
    seed: int,
) -> Split:
    """Train on people of some names, keep others; no pairs yet.

    `min_photos`, `max_photos` and `heldout_share` are as in `split_people`.

    Args:
        labels: row in `people` of each photo [N].

    Raises:
        InputError: a person is on both sides, or has no photos; too few to train on.
    """
    check_unseen(unseen, train, "the people to verify on")
    rows = {person: row for row, person in enumerate(people)}
    missing = sorted({*train, *unseen} - set(rows))
    if missing:
        raise InputError(f"there are no photos of {missing[0]} ({len(missing)} people)")
    return _split(
        _photos_by_person(labels, len(people)),
        people,
        np.array(sorted(rows[person] for person in train), np.int64),
        np.array(sorted(rows[person] for person in unseen), np.int64),
        heldout_share,
        (min_photos, max_photos),
        np.random.default_rng(seed),
    )


def _split(
    photos: list[np.ndarray],
    people: Sequence[str],
    trained: np.ndarray,
    kept: np.ndarray,
    heldout_share: float,
    limits: tuple[int, int],
    rng: np.random.Generator,
) -> Split:
    _check_share("heldout_share", heldout_share)
    min_photos, max_photos = limits
    enough = np.array([p for p in trained if len(photos[p]) >= min_photos], np.int64)
    if len(enough) < 2:
        raise InputError(
            f"{len(enough)} of {len(people)} people to train on, who have "
            f"data.min_photos={min_photos} or more and are not kept by "
            "data.verification_share: training needs two or more"
        )
    own = [photos[person] for person in enough]
    if max_photos:
        own = [_draw(mine, min(max_photos, len(mine)), rng) for mine in own]
    # The small term keeps 0.29 * 100 from being floored to 28.
    heldout = [_draw(mine, int(heldout_share * len(mine) + 1e-9), rng) for mine in own]
    rest = [np.setdiff1d(mine, out) for mine, out in zip(own, heldout, strict=True)]
    unseen = [photos[person] for person in kept]
    if set(kept) & set(enough):
        raise AssertionError("a verification person would be trained on")
    _check_names([people[p] for p in enough], [people[p] for p in kept])
    return Split(
        train_people=[people[person] for person in enough],
        train_indices=_joined(rest),
        train_labels=_rows(rest),
        heldout_indices=_joined(heldout),
        heldout_labels=_rows(heldout),
        unseen_people=[people[person] for person in kept],
        unseen_indices=_joined(unseen),
        unseen_labels=_rows(unseen),
        pairs=None,
    )


def _check_names(train: Sequence[str], unseen: Sequence[str]) -> None:
    """Refuses one name in two spellings on both sides: it may be one identity."""
    trained = {spelling(name): name for name in train}
    for name in unseen:
        if other := trained.get(spelling(name)):
            raise InputError(
                f"{name!a} and {other!a} are one name in two spellings, of "
                "which one would be trained on and one verified on: put their photos "
                "into one folder, or give two people two names"
            )


def _check_share(key: str, share: float) -> None:
    if not 0 <= share < 1:
        raise InputError(f"data.{key}={share}: give a share from 0 to below 1")


def _photos_by_person(labels: np.ndarray, num_people: int) -> list[np.ndarray]:
    """Return each person's photo indices, ascending."""
    counts = np.bincount(labels, minlength=num_people)
    by_person = np.argsort(labels, kind="stable")
    return np.split(by_person, np.cumsum(counts)[:-1])


def _draw_verification(
    photos: list[np.ndarray], share: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw people with two photos or more: rows, ascending."""
    if share == 0:
        return np.array([], np.int64)
    wanted = round(share * len(photos))
    eligible = np.array([p for p, own in enumerate(photos) if len(own) >= 2], np.int64)
    if wanted < 2 or len(eligible) < wanted:
        raise InputError(
            f"data.verification_share={share:g} asks for {wanted} of {len(photos)} "
            f"people and {len(eligible)} have two photos or more; verification needs "
            "two people: change the share, or train without it with "
            "--config.data.verification_share=0"
        )
    return np.sort(rng.choice(eligible, wanted, replace=False))


def _draw(photos: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """Draw some photos: ascending."""
    return np.sort(rng.choice(photos, number, replace=False))


def _joined(groups: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.array([], np.int64), *groups])


def _rows(groups: list[np.ndarray]) -> np.ndarray:
    """Label each photo with the place of its group."""
    return np.repeat(np.arange(len(groups)), [len(own) for own in groups]).astype(
        np.int32
    )
