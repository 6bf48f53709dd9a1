import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cl_facenet.data.splits import split_people
from cl_facenet.errors import InputError


def split(counts, verification=0.25, heldout=0.2, seed=0, min_photos=1, max_photos=0):
    labels = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    people = [f"p{i}" for i in range(len(counts))]
    return (
        labels,
        people,
        split_people(
            labels,
            people,
            verification_share=verification,
            heldout_share=heldout,
            min_photos=min_photos,
            max_photos=max_photos,
            seed=seed,
        ),
    )


def test_orl_shares():
    _, _, s = split([10] * 40)
    assert len(s.train_people) == 30
    assert len(s.unseen_people) == 10
    assert np.bincount(s.train_labels).tolist() == [8] * 30
    assert np.bincount(s.heldout_labels).tolist() == [2] * 30
    assert np.bincount(s.unseen_labels).tolist() == [10] * 10
    for labels in (s.train_labels, s.heldout_labels, s.unseen_labels):
        assert labels.dtype == np.int32


@settings(deadline=None, derandomize=True)
@given(
    counts=st.lists(st.integers(1, 12), min_size=2, max_size=30),
    verification=st.integers(0, 80),
    heldout=st.integers(0, 99),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_protocol_holds(counts, verification, heldout, seed):
    wanted = round(verification / 100 * len(counts))
    eligible = sum(count >= 2 for count in counts)
    too_few = wanted < 2 or eligible < wanted
    if (verification and too_few) or len(counts) - wanted < 2:
        with pytest.raises(InputError, match=r"data\.verification_share"):
            split(counts, verification / 100, heldout / 100, seed)
        return
    labels, people, s = split(counts, verification / 100, heldout / 100, seed)
    # Nobody is on both sides, and no photo is lost or used twice.
    assert not set(s.train_people) & set(s.unseen_people)
    assert sorted(s.train_people + s.unseen_people) == sorted(people)
    parts = [s.train_indices, s.heldout_indices, s.unseen_indices]
    assert sorted(np.concatenate(parts).tolist()) == list(range(sum(counts)))
    # Labels are rows of the people lists, in the order of the records.
    for indices, rows, names in (
        (s.train_indices, s.train_labels, s.train_people),
        (s.heldout_indices, s.heldout_labels, s.train_people),
        (s.unseen_indices, s.unseen_labels, s.unseen_people),
    ):
        assert [names[row] for row in rows] == [people[labels[i]] for i in indices]
        assert (np.diff(indices) > 0).all()
    # Everyone keeps the stated number of photos.
    assert len(s.unseen_people) == wanted
    for row, name in enumerate(s.train_people):
        count = counts[int(name[1:])]
        out = math.floor(Fraction(heldout, 100) * count)
        assert (s.heldout_labels == row).sum() == out
        assert (s.train_labels == row).sum() == count - out > 0
    for name in s.unseen_people:
        assert counts[int(name[1:])] >= 2


def test_the_seed_decides():
    def drawn(seed):
        _, _, s = split([10] * 40, seed=seed)
        return s.unseen_people, s.heldout_indices.tolist()

    assert drawn(1) == drawn(1)
    assert drawn(1)[0] != drawn(2)[0]
    assert drawn(1)[1] != drawn(2)[1]


def test_shares_are_not_rounded_down_twice():
    # In floating point 0.29 * 100 is just below 29.
    _, _, s = split([100] * 2, verification=0, heldout=0.29)
    assert np.bincount(s.heldout_labels).tolist() == [29, 29]


def test_no_verification_trains_on_everybody():
    _, people, s = split([3] * 5, verification=0, heldout=0)
    assert s.train_people == people
    assert s.unseen_people == []
    assert len(s.train_indices) == 15
    for empty in (
        s.heldout_indices,
        s.heldout_labels,
        s.unseen_indices,
        s.unseen_labels,
    ):
        assert empty.shape == (0,)
        assert np.issubdtype(empty.dtype, np.integer)


def test_one_photo_of_each_is_drawn_by_the_seed():
    """As in Deeplearning4j's tutorial; those kept for verification keep all theirs."""
    counts = [1, 5, 5, 1, 9, 5, 5, 5]
    _, _, s = split(counts, heldout=0, max_photos=1)
    assert s.train_labels.tolist() == list(range(6))
    assert len(s.unseen_indices) == sum(counts[int(p[1:])] for p in s.unseen_people)
    _, _, again = split(counts, heldout=0, max_photos=1)
    np.testing.assert_array_equal(s.train_indices, again.train_indices)
    drawn = {
        tuple(split([9, 9], 0, 0, seed, max_photos=1)[2].train_indices)
        for seed in range(9)
    }
    assert len(drawn) > 3


def test_the_held_out_are_of_the_photos_drawn():
    _, _, s = split([10, 3, 20], verification=0, heldout=0.5, max_photos=4)
    assert np.bincount(s.heldout_labels).tolist() == [2, 1, 2]
    assert np.bincount(s.train_labels).tolist() == [2, 2, 2]


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, math.nan])
def test_shares_out_of_range_are_named(share):
    with pytest.raises(InputError, match=r"data\.verification_share"):
        split([5] * 8, verification=share)
    with pytest.raises(InputError, match=r"data\.heldout_share"):
        split([5] * 8, heldout=share)


@pytest.mark.parametrize("counts", [[1] * 8, [1] * 7 + [5], [5] * 4])
def test_too_few_unseen_people_say_how_to_do_without(counts):
    with pytest.raises(InputError, match=r"--config\.data\.verification_share=0$"):
        split(counts)


def test_one_name_in_two_spellings_is_not_on_both_sides():
    """By every seed that would part them; together on one side they may be."""
    people = ["José", "Jose\u0301", "Ann", "Bob", "Cid", "Dee", "Eve", "Fay"]
    labels, refused = np.repeat(np.arange(8), 5), 0
    shares = {"verification_share": 0.25, "heldout_share": 0.2}
    for seed in range(12):
        try:
            own = split_people(
                labels, people, **shares, min_photos=1, max_photos=0, seed=seed
            )
        except InputError as error:
            refused += "are one name in two spellings" in str(error)
            continue
        for side in (own.train_people, own.unseen_people):
            assert ("José" in side) == ("Jose\u0301" in side)
    assert 0 < refused < 12


def test_too_few_training_people():
    with pytest.raises(InputError, match="1 of 10 people to train on"):
        split([5] * 10, verification=0.9)
    with pytest.raises(InputError, match="1 of 1 people to train on"):
        split([5], verification=0)


def test_a_good_split_is_left_alone():
    _, _, s = split([10] * 40)
    s.check()
    assert s.count_photos() == dict.fromkeys(s.train_people, 8)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"train_indices": np.zeros(0, int)}, "no photos to train on"),
        ({"train_labels": np.array([0, 30])}, "labels go from 0 to 30, .* 0 to 29"),
        ({"train_labels": np.array([-1, 3])}, "labels go from -1 to 3"),
        ({"train_labels": np.array([0, 29])}, "28 people have no photo .* leave them"),
    ],
)
def test_what_would_go_wrong_without_a_word_is_refused(changes, says):
    _, _, s = split([10] * 40)
    with pytest.raises(InputError, match=says):
        replace(s, **changes).check()
