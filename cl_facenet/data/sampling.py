"""Which photo comes when, if every batch is to have some photos of each of its people.

The people are shuffled into rounds, as many a round as fill whole batches, so nobody
comes twice in a batch; those left over in one round are others in the next. A person's
photos are dealt out likewise, a hand a round, before any of them comes again.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from cl_facenet.errors import InputError

# Streams of random numbers, so that people and photos do not share theirs. None is 0,
# since NumPy pads with zeros: (seed, 0) would be the stream of the seed itself.
_PEOPLE, _PHOTOS = 1, 2


def balanced_order(
    labels: np.ndarray, *, batch_size: int, photos_per_person: int, seed: int
) -> Callable[[int], int]:
    """Return the function from a position in training, 0 on, to the photo that comes.

    Positions in order, `batch_size` at a time, are batches of different people with
    `photos_per_person` photos each: different ones of a person who has as many, else
    each of the person's own as evenly often as can be. The function depends on nothing
    but its arguments, takes positions in any order and from many threads, and is
    quick but for a round's first position.

    Args:
        labels: who is on each photo [n].

    Raises:
        InputError: a batch is not whole people, or of more people than there are.
    """
    photos = np.argsort(labels, kind="stable")  # person after person
    counts = np.unique(labels, return_counts=True)[1]
    first = np.cumsum(counts) - counts
    people_per_batch = _people_per_batch(batch_size, photos_per_person, len(counts))
    people_per_round = len(counts) // people_per_batch * people_per_batch

    @lru_cache(maxsize=2)  # threads may be on both sides of a round's end
    def people_of(round_number: int) -> np.ndarray:
        return _shuffled(len(counts), seed, _PEOPLE, round_number)

    @lru_cache  # a person's photos are asked for one after the other
    def photos_of(person: int, round_number: int) -> np.ndarray:
        hands = max(1, counts[person] // photos_per_person)
        deck, hand = divmod(round_number, hands)
        cards = _shuffled(counts[person], seed, _PHOTOS, person, deck)
        dealt = cards[hand * photos_per_person :][:photos_per_person]
        return photos[first[person] + np.resize(dealt, photos_per_person)]

    def photo_at(position: int) -> int:
        turn, card = divmod(position, photos_per_person)
        round_number, place = divmod(turn, people_per_round)
        person = int(people_of(round_number)[place])
        return int(photos_of(person, round_number)[card])

    return photo_at


def describe_sampling(
    labels: np.ndarray, *, batch_size: int, photos_per_person: int
) -> str:
    """Say how many photos the people of labels [n] have, and what batches are of.

    For example "photos a person: 2 to 530, median 3; batches of 16 people x 4 photos".
    """
    counts = np.unique(labels, return_counts=True)[1]
    low, high = int(np.min(counts)), int(np.max(counts))
    spread = (
        f"{low} to {high}, median {np.median(counts):g}" if low < high else f"{low}"
    )
    order = "shuffled"
    if photos_per_person:
        people_per_batch = batch_size // photos_per_person
        order = f"batches of {people_per_batch} people x {photos_per_person} photos"
    return f"photos a person: {spread}; {order}"


def _people_per_batch(batch_size: int, photos_per_person: int, num_people: int) -> int:
    people_per_batch, rest = divmod(batch_size, photos_per_person)
    if rest:
        raise InputError(
            f"data.photos_per_person is {photos_per_person}, which does not divide "
            f"batch_size, {batch_size}: make batch_size a multiple of it"
        )
    if people_per_batch > num_people:
        raise InputError(
            f"batch_size {batch_size} with data.photos_per_person {photos_per_person} "
            f"is {people_per_batch} people a batch, but there are {num_people} to "
            "train on: lower batch_size or raise data.photos_per_person"
        )
    return people_per_batch


def _shuffled(number: int, *key: int) -> np.ndarray:
    """Return 0 to number - 1 in the order that belongs to the key."""
    return np.random.default_rng(key).permutation(number)
