"""Balanced order: different people in a batch, everyone and every photo in turn."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_facenet.data.sampling import balanced_order, describe_sampling
from cl_facenet.errors import InputError

# Seven people with 1 to 9 photos, in no order: a photo's person is its label.
COUNTS = [5, 3, 9, 1, 4, 2, 6]
LABELS = np.random.default_rng(0).permutation(np.repeat(range(7), COUNTS))


def batches(labels=LABELS, *, number=12, people=3, photos=3, seed=0):
    """The first batches: photos [number, people, photos]."""
    size = people * photos
    order = balanced_order(labels, batch_size=size, photos_per_person=photos, seed=seed)
    flat = [order(position) for position in range(number * size)]
    return np.reshape(flat, (number, people, photos))


@st.composite
def some_batches(draw):
    counts = draw(st.lists(st.integers(1, 6), min_size=1, max_size=8))
    labels = draw(st.permutations(np.repeat(range(len(counts)), counts).tolist()))
    people = draw(st.integers(1, len(counts)))
    photos, seed = draw(st.integers(1, 5)), draw(st.integers(0, 2**31 - 1))
    labels = np.array(labels, np.int32)
    return labels, batches(labels, people=people, photos=photos, seed=seed)


@given(some_batches())
def test_a_batch_is_of_different_people_with_as_many_photos_each(drawn):
    labels, photos = drawn
    for batch in labels[photos]:
        assert (batch == batch[:, :1]).all()
        assert len(set(batch[:, 0])) == len(batch)


@given(some_batches())
def test_a_person_s_photos_come_as_evenly_as_can_be(drawn):
    labels, photos = drawn
    counts = np.bincount(labels)
    for own in photos.reshape(-1, photos.shape[-1]):
        person = labels[own[0]]
        times = np.bincount(own, minlength=len(labels))[labels == person]
        assert times.max() - times.min() <= 1
        if counts[person] >= len(own):
            assert times.max() == 1


@given(some_batches())
def test_nobody_comes_twice_in_a_round(drawn):
    labels, photos = drawn
    people = labels[photos[:, :, 0]]
    batches_a_round = len(set(labels)) // people.shape[1]
    for start in range(0, len(people), batches_a_round):
        in_round = people[start : start + batches_a_round].ravel()
        assert len(set(in_round)) == len(in_round)


def test_rounds_differ_and_so_do_those_who_are_left_out():
    people = LABELS[batches(number=400)[:, :, 0]].reshape(200, 6)  # of seven
    assert len({tuple(of_round) for of_round in people}) > 150
    times = np.bincount(people.ravel())
    np.testing.assert_allclose(times, 200 * 6 / 7, rtol=0.1)


def test_no_photo_comes_again_before_the_person_s_hands_are_dealt():
    labels = np.repeat([0, 1], [8, 9])
    for person in range(2):  # both are in every batch, which is a round
        photos = batches(labels, number=40, people=2, photos=4)
        own = photos[labels[photos] == person].reshape(20, 8)  # two hands a row
        assert all(len(set(row)) == 8 for row in own)
        assert len({tuple(row) for row in own}) == 20
        assert set(own.ravel()) == set(np.flatnonzero(labels == person))


def test_the_seed_decides():
    np.testing.assert_array_equal(batches(seed=3), batches(seed=3))
    assert not np.array_equal(batches(seed=3), batches(seed=4))


def test_positions_may_be_asked_for_in_any_order_and_from_many_threads():
    expected = batches(number=100).ravel()
    positions = np.random.default_rng(1).permutation(len(expected))
    order = balanced_order(LABELS, batch_size=9, photos_per_person=3, seed=0)
    with ThreadPoolExecutor(8) as pool:
        given_photos = list(pool.map(order, positions.tolist()))
    np.testing.assert_array_equal(given_photos, expected[positions])


def test_people_without_photos_do_not_come():
    labels = np.array([3, 3, 8, 8])
    assert Counter(labels[batches(labels, people=2).ravel()]) == {3: 36, 8: 36}


@pytest.mark.parametrize(
    ("batch_size", "photos_per_person", "complaint"),
    [
        (30, 4, r"data\.photos_per_person is 4, which does not divide batch_size, 30"),
        (2, 4, r"data\.photos_per_person is 4, which does not divide batch_size, 2"),
        (16, 2, r"batch_size 16 .* is 8 people a batch, but there are 7 to train on"),
    ],
)
def test_what_does_not_fit_is_refused(batch_size, photos_per_person, complaint):
    with pytest.raises(InputError, match=complaint):
        balanced_order(
            LABELS, batch_size=batch_size, photos_per_person=photos_per_person, seed=0
        )


@pytest.mark.parametrize(
    ("counts", "photos_per_person", "said"),
    [
        ([5, 3, 9, 1], 0, "photos a person: 1 to 9, median 4; shuffled"),
        ([1, 2], 0, "photos a person: 1 to 2, median 1.5; shuffled"),
        ([6, 6], 4, "photos a person: 6; batches of 2 people x 4 photos"),
    ],
)
def test_the_sampling_in_words(counts, photos_per_person, said):
    labels = np.repeat(range(len(counts)), counts)
    words = describe_sampling(labels, batch_size=8, photos_per_person=photos_per_person)
    assert words == said
