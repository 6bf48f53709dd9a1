"""The identity-disjoint protocol: nobody in the evaluation pairs is trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cl_facenet.errors import InputError


@dataclass(frozen=True, eq=False)
class Split:
    """Which photo goes where: int64 indices into the records and int32 labels, [n].

    Train and held-out labels are rows in `train_people`, verification labels rows in
    `verification_people`. Held-out photos are of people trained on.
    """

    train_people: list[str]
    train_indices: np.ndarray
    train_labels: np.ndarray
    heldout_indices: np.ndarray
    heldout_labels: np.ndarray
    verification_people: list[str]
    verification_indices: np.ndarray
    verification_labels: np.ndarray


def split_people(
    labels: np.ndarray,
    people: Sequence[str],
    *,
    verification_share: float,
    heldout_share: float,
    seed: int,
) -> Split:
    """Keep whole people for verification, then some photos of each other person.

    round(verification_share * people) people, drawn among those with two photos or
    more, are never trained on. Of each other person floor(heldout_share * photos)
    photos are held out for classification.

    Args:
        labels: row in `people` of each photo [N].

    Raises:
        InputError: a share outside [0, 1), or too few people on either side.
    """
    _check_share("verification_share", verification_share)
    _check_share("heldout_share", heldout_share)
    rng = np.random.default_rng(seed)
    photos = _photos_by_person(labels, len(people))
    kept = _draw_verification(photos, verification_share, rng)
    trained = np.setdiff1d(np.arange(len(people)), kept)
    if len(trained) < 2:
        raise InputError(
            f"data.verification_share={verification_share:g} leaves {len(trained)} of "
            f"{len(people)} people to train on; training needs two or more"
        )
    heldout = [_draw_heldout(photos[person], heldout_share, rng) for person in trained]
    rest = [
        np.setdiff1d(photos[person], out)
        for person, out in zip(trained, heldout, strict=True)
    ]
    kept_photos = [photos[person] for person in kept]
    if np.isin(labels[_joined(rest + heldout)], kept).any():
        raise AssertionError("a verification person would be trained on")
    return Split(
        train_people=[people[person] for person in trained],
        train_indices=_joined(rest),
        train_labels=_rows(rest),
        heldout_indices=_joined(heldout),
        heldout_labels=_rows(heldout),
        verification_people=[people[person] for person in kept],
        verification_indices=_joined(kept_photos),
        verification_labels=_rows(kept_photos),
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


def _draw_heldout(
    photos: np.ndarray, share: float, rng: np.random.Generator
) -> np.ndarray:
    # The small term keeps 0.29 * 100 from being floored to 28.
    number = int(share * len(photos) + 1e-9)
    return np.sort(rng.choice(photos, number, replace=False))


def _joined(groups: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.array([], np.int64), *groups])


def _rows(groups: list[np.ndarray]) -> np.ndarray:
    """Label each photo with the place of its group."""
    return np.repeat(np.arange(len(groups)), [len(own) for own in groups]).astype(
        np.int32
    )
