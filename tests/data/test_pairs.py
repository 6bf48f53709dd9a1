"""Pairs: all of them, or those of a list; folds; who may be tested on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_facenet.data.pairs import (
    Pairs,
    all_pairs,
    assign_folds,
    check_people,
    check_unseen,
    drawn_pairs,
    listed_pairs,
    seen,
)
from cl_facenet.errors import InputError

NAMES = ["Ann/1.jpg", "Ann/2.jpg", "Bob/1.jpg"]
LISTED = [("Ann/2.jpg", "Ann/1.jpg"), ("Ann/1.jpg", "Bob/1.jpg")]
SAME, FOLDS = np.array([True, False]), np.array([0, 1])


def listed(names=NAMES):
    return listed_pairs(LISTED, SAME, FOLDS, names=names, protocol="ours")


def test_all_pairs():
    pairs = all_pairs(np.array([5, 3, 5, 3, 5]), seed=0)
    assert pairs.rows.tolist() == [[i, j] for i in range(5) for j in range(i + 1, 5)]
    left, right = np.array([5, 3, 5, 3, 5])[pairs.rows.T]
    assert pairs.same.tolist() == (left == right).tolist()
    assert sorted(pairs.folds) == list(range(10))


@given(
    counts=st.lists(st.integers(1, 12), min_size=5, max_size=9), most=st.integers(1, 9)
)
def test_nobody_rules_the_drawn_pairs(counts, most):
    labels = np.random.default_rng(0).permutation(
        np.repeat(7 * np.arange(len(counts)), counts)
    )
    expected = [min(most, n * (n - 1) // 2) for n in counts]
    if sum(expected) < 5:  # ten folds take ten pairs
        return
    pairs = drawn_pairs(labels, most=most, seed=1)
    left, right = labels[pairs.rows.T]
    np.testing.assert_array_equal(pairs.same, left == right)
    of = np.bincount(left[pairs.same] // 7, minlength=len(counts))
    np.testing.assert_array_equal(of, expected)
    same = pairs.rows[pairs.same]
    assert len(np.unique(np.sort(same, 1), axis=0)) == len(same) == sum(expected)
    assert (same[:, 0] != same[:, 1]).all()
    assert np.count_nonzero(~pairs.same) == len(same)
    assert set(pairs.folds) == set(range(10))


def test_drawn_different_pairs_are_of_people_not_of_photos():
    labels = np.repeat(np.arange(21), [400] + [3] * 20)
    pairs = drawn_pairs(labels, most=60, seed=0)
    people = labels[pairs.rows[~pairs.same]]
    shares = np.bincount(people.ravel(), minlength=21) / people.size
    assert abs(shares[0] - 1 / 21) < 0.05


def test_of_one_person_no_different_pair_can_be_drawn():
    with pytest.raises(InputError, match="two people or more"):
        drawn_pairs(np.zeros(20, int), most=3, seed=0)


@pytest.mark.parametrize(("num_same", "num_different"), [(30, 70), (7, 6), (1, 12)])
def test_each_fold_gets_its_share(num_same, num_different):
    same = np.repeat([True, False], [num_same, num_different])
    folds = assign_folds(same, seed=3)
    for kind, number in ((same, num_same), (~same, num_different)):
        sizes = np.bincount(folds[kind], minlength=10)
        assert sizes.sum() == number
        assert sizes.max() - sizes.min() <= 1
    assert set(folds) == set(range(10))


def test_folds_follow_the_seed():
    same = np.arange(100) < 40
    np.testing.assert_array_equal(
        assign_folds(same, seed=1), assign_folds(same, seed=1)
    )
    assert (assign_folds(same, seed=1) != assign_folds(same, seed=2)).any()


def test_fewer_pairs_than_folds():
    with pytest.raises(InputError, match="on 9 pairs, under 10: raise"):
        assign_folds(np.ones(9, bool), seed=0)


def test_a_training_s_too_few_pairs_name_its_key():
    with pytest.raises(InputError, match=r"3 pairs, .* raise data\.verification_share"):
        all_pairs(np.array([0, 0, 1]), seed=0)


def test_listed_pairs_are_found_by_name():
    pairs = listed()
    assert pairs.rows.tolist() == [[1, 0], [0, 2]]
    assert pairs.same.tolist() == SAME.tolist()
    assert pairs.protocol == "ours"


def test_a_missing_photo_is_an_error_not_a_skipped_pair():
    with pytest.raises(InputError, match=r"ours: 1 of 3 photos are not there, Ann/2"):
        listed(["Ann/1.jpg", "Bob/1.jpg"])


def test_nobody_trained_on_is_tested_on():
    check_unseen(["Ann", "Bob"], ["Cy"], "ours")
    with pytest.raises(InputError, match="1 of its 2 people were trained on, Bob"):
        check_unseen(["Ann", "Bob"], ["Cy", "Bob"], "ours")
    many = [f"p{i}" for i in range(10, 18)]
    with pytest.raises(InputError, match="p10, p11, p12, p13, p14 and 3 more"):
        check_unseen(many, many, "ours")


def test_listed_photos_are_found_in_another_spelling():
    names = ["José/1.jpg", "José/2.jpg"]
    pair = [("Jose\u0301/1.jpg", "José/2.jpg ")]
    pairs = listed_pairs(pair, SAME[:1], FOLDS[:1], names=names, protocol="ours")
    assert pairs.rows.tolist() == [[0, 1]]


@pytest.mark.parametrize("tested", ["Jose\u0301", "José ", "JOSÉ", "José"])
def test_an_accent_written_in_two_ways_hides_nobody(tested):
    assert seen([tested], ["José"]) == [tested]


def test_people_of_a_list_are_those_of_the_photos():
    rows, labels, people = (
        np.array([[0, 1], [0, 2]]),
        np.array([0, 0, 1]),
        ["Ann", "Bob"],
    )
    check_people(Pairs(rows, SAME, FOLDS, "ours"), labels, people, [3, 7])
    with pytest.raises(InputError, match="ours, line 3: two photos of Ann are called"):
        check_people(Pairs(rows, ~SAME, FOLDS, "ours"), labels, people, [3, 7])
    both = np.array([True, True])
    with pytest.raises(InputError, match="ours, line 7: Ann and Bob are called the sa"):
        check_people(Pairs(rows, both, FOLDS, "ours"), labels, people, [3, 7])


def test_a_name_spelt_another_way_is_the_same_person():
    assert seen(["George_W_Bush"], ["george w. bush"]) == ["George_W_Bush"]
    assert seen(["Jon_Gruden"], ["John_Gruden"]) == []


@given(st.lists(st.sampled_from("abcdef")), st.lists(st.sampled_from("abcdef")))
def test_seen_is_the_intersection(tested, trained):
    assert seen(tested, trained) == sorted(set(tested) & set(trained))
