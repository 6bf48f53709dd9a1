import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cl_facenet.errors import InputError
from cl_facenet.evaluation import bootstrap, roc, verification
from cl_facenet.evaluation.verification import (
    best_threshold,
    fold_thresholds,
    squared_distances,
    verify,
)

quick = settings(deadline=None, derandomize=True)

# Few distinct distances, so that there are many ties.
PAIRS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 4.0]), st.booleans()),
    min_size=4,
    max_size=24,
)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(bootstrap, "NUM_DRAWS", 30)
    monkeypatch.setattr(bootstrap, "MIN_DRAWS", 30)
    monkeypatch.setattr(roc, "MIN_FALSE_ACCEPTS", 0)  # by hand there are few pairs


def _verify(distances, same, folds, numbers=None, scorers=None):
    """Pairs whose people are in no other pair."""
    first = 2 * np.arange(len(distances)) if numbers is None else 2 * np.array(numbers)
    same = np.array(same, bool)
    return verify(
        np.array(distances, float),
        np.stack([first, first + 1], axis=1),
        same,
        np.array(folds),
        identities=np.stack([first, np.where(same, first, first + 1)], axis=1),
        scorers=scorers,
        seed=0,
        protocol="by hand",
    )


def _accuracy(distances, same, threshold):
    right = [(d < threshold) == s for d, s in zip(distances, same, strict=True)]
    return sum(right) / len(right)


# --- distances ---


def test_squared_distances_by_hand():
    embeddings = np.array([[1, 0], [0, 1], [-1, 0], [0.6, 0.8]], np.float32)
    distances = squared_distances(
        embeddings, np.array([[0, 1], [0, 2], [3, 0], [1, 1]])
    )
    np.testing.assert_allclose(distances, [2, 4, 0.8, 0], rtol=1e-6)
    assert distances.dtype == np.float64


def test_squared_distances_do_not_depend_on_the_chunk(monkeypatch):
    embeddings = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    pairs = np.argwhere(np.ones((20, 20)))
    whole = squared_distances(embeddings, pairs)
    monkeypatch.setattr(verification, "CHUNK", 7)
    np.testing.assert_array_equal(squared_distances(embeddings, pairs), whole)
    u, v = embeddings[[5, 1]].tolist()
    assert whole[101] == pytest.approx(
        sum((a - b) ** 2 for a, b in zip(u, v, strict=True))
    )


def test_near_photos_keep_their_digits():
    # 2 - 2 cos would lose them all.
    embeddings = np.array([[1, 0], [1, 1e-6]], np.float32)
    assert squared_distances(embeddings, np.array([[0, 1]])) == pytest.approx([1e-12])


# --- the threshold ---


@pytest.mark.parametrize(
    ("distances", "same", "expected"),
    [
        ([0.2, 0.4, 1.0, 1.4], [1, 1, 0, 0], 0.7),  # parted: halfway
        ([1.4, 0.4, 0.2, 1.0], [0, 1, 1, 0], 0.7),  # in any order
        ([0.2, 0.4, 1.0, 1.4], [1, 0, 1, 0], 0.3),  # .3 and 1.2 as good: the first
        ([0.5, 0.5, 1.0], [1, 0, 0], 0.5),  # a tie cannot be parted: accept none
        ([0.5, 0.5, 0.5, 1.0], [1, 1, 0, 0], 0.75),  # nor here: accept all three
        ([0.5, 1.0], [0, 0], 0.5),  # nothing to accept
    ],
)
def test_threshold_by_hand(distances, same, expected):
    threshold = best_threshold(np.array(distances), np.array(same, bool))
    assert threshold == pytest.approx(expected)


def test_threshold_accepts_everything_where_that_is_best():
    assert best_threshold(np.array([0.5, 4.0]), np.array([True, True])) > 4.0


def test_threshold_between_adjacent_floats():
    near = 1.0
    far = np.nextafter(near, 2)
    threshold = best_threshold(np.array([near, far]), np.array([True, False]))
    assert near < threshold <= far


@quick
@given(PAIRS)
def test_threshold_is_the_first_best_of_all(rows):
    distances, same = (np.array(column) for column in zip(*rows, strict=True))
    threshold = best_threshold(distances, same)
    tried = [-1.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 3.0, 4.0, 5.0]
    accuracies = [_accuracy(distances, same, t) for t in tried]
    best = max(accuracies)
    assert _accuracy(distances, same, threshold) == best
    first = tried[accuracies.index(best)]
    accepted = [set(np.flatnonzero(distances < t)) for t in (threshold, first)]
    assert accepted[0] == accepted[1]


# --- the measures ---


def test_perfect_separation():
    result = _verify([0.1, 0.2, 0.3, 2, 3, 4], [1, 1, 1, 0, 0, 0], [0, 1, 2, 0, 1, 2])
    assert (result.accuracy_mean, result.accuracy_std) == (1, 0)
    assert (result.auc, result.eer) == (1, 0)
    assert result.tar_at_far == {0.01: 1, 0.001: 1}
    assert result.threshold == pytest.approx(1.15)


def test_the_wrong_way_round():
    result = _verify([3, 4, 0.1, 0.2], [1, 1, 0, 0], [0, 1, 0, 1])
    assert (result.auc, result.eer, result.tar_at_far[0.01]) == (0, 1, 0)


def test_all_distances_equal():
    result = _verify([1.0] * 6, [1, 1, 1, 0, 0, 0], [0, 1, 2, 0, 1, 2])
    assert (result.auc, result.eer) == (0.5, 0.5)
    assert result.tar_at_far == {0.01: 0, 0.001: 0}
    assert result.accuracy_mean == 0.5


def test_accuracy_takes_the_threshold_of_the_other_folds():
    # Fold 0's own best threshold, .6, would be right on both of its pairs; fold 1
    # sets 1.35, wrong on the second. The other way .6 is wrong on fold 1's first.
    result = _verify([0.2, 1.0, 1.2, 1.5], [1, 0, 1, 0], [0, 0, 1, 1])
    assert result.accuracy_mean == 0.5
    assert result.accuracy_std == 0
    # Third fold, both right: the mean of 1/2, 1/2, 1 and the population's deviation.
    result = _verify(
        [0.2, 1.0, 1.2, 1.5, 0.1, 3], [1, 0, 1, 0, 1, 0], [0, 0, 1, 1, 2, 2]
    )
    assert result.accuracy_mean == pytest.approx(2 / 3)
    assert result.accuracy_std == pytest.approx(np.sqrt(1 / 18))
    # And of a sample: a deviation of sqrt(1 / 12), over the root of three folds.
    assert result.accuracy_standard_error == pytest.approx(1 / 6)


def test_a_threshold_comes_from_the_same_scorer():
    # The second model's distances are ten times the first's. Best on fold 0 is .6, on
    # fold 1 .5, on fold 2 6 and on fold 3 5.
    distances = np.array([0.2, 1.0, 0.4, 0.6, 2.0, 10.0, 4.0, 6.0])
    same = np.tile([True, False], 4)
    folds, scorers = np.repeat([0, 1, 2, 3], 2), np.repeat([7, 9], 4)
    thresholds = fold_thresholds(distances, same, folds, scorers)
    np.testing.assert_allclose(thresholds, [0.5] * 2 + [0.6] * 2 + [5] * 2 + [6] * 2)
    assert _verify(distances, same, folds, scorers=scorers).accuracy_mean == 1
    # Taken together, either model's pairs get the other's threshold: 5 or .5.
    assert _verify(distances, same, folds).accuracy_mean == 0.5


def test_a_fold_may_have_two_scorers():
    distances = np.array([0.2, 1.0, 2.0, 10.0, 0.4, 0.8, 4.0, 8.0])
    same, folds = np.tile([True, False], 4), np.repeat([0, 1], 4)
    scorers = np.tile([0, 0, 1, 1], 2)
    thresholds = fold_thresholds(distances, same, folds, scorers)
    np.testing.assert_allclose(thresholds, [0.6, 0.6, 6, 6, 0.6, 0.6, 6, 6])


def test_pooled_measures_take_the_distances_as_they_are():
    rows = [0.2, 1.0, 0.4, 0.6, 2.0, 10.0, 4.0, 6.0], [1, 0] * 4, [0, 0, 1, 1] * 2
    one, two = _verify(*rows), _verify(*rows, scorers=np.repeat([0, 1], 4))
    assert (one.auc, one.eer, one.threshold) == (two.auc, two.eer, two.threshold)


def test_eer_between_points():
    # ROC: (0, 1/3), (1/2, 1/3), (1/2, 1), (1, 1). 1 - x = TPR at x = 1/2.
    result = _verify([0.1, 0.2, 0.3, 0.4, 0.5], [1, 0, 1, 1, 0], [0, 0, 1, 1, 1])
    assert result.eer == pytest.approx(0.5)
    # A tie makes a slope from (0, 0) to (1/2, 1): x = 1/3.
    result = _verify([1, 1, 1, 2], [1, 1, 0, 0], [0, 1, 0, 1])
    assert result.eer == pytest.approx(1 / 3)
    assert result.auc == pytest.approx(3 / 4)


def test_tar_at_far_is_not_interpolated():
    # Of 1,000 different pairs, 1 is at .2 and 9 more at .4: FAR .001 and .01 exactly.
    # The last 990 share their distance with two same pairs: too late to count.
    different = [0.2] + [0.4] * 9 + [0.8] * 990
    same = [0.1, 0.3, 0.5, 0.8, 0.8]
    folds = np.arange(1005) % 2
    result = _verify(different + same, [0] * 1000 + [1] * 5, folds)
    assert result.tar_at_far[0.001] == pytest.approx(2 / 5)
    assert result.tar_at_far[0.01] == pytest.approx(3 / 5)
    # One more at .2 is one too many for .001: only the pair before it is left.
    different[1] = 0.2
    result = _verify(different + same, [0] * 1000 + [1] * 5, folds)
    assert result.tar_at_far[0.001] == pytest.approx(1 / 5)


@pytest.mark.parametrize(
    ("num_different", "told"),
    [(24, []), (999, []), (1_000, [0.01]), (4_500, [0.01]), (10_000, [0.01, 0.001])],
)
def test_tar_is_told_where_ten_pairs_are_the_rate(num_different, told, monkeypatch):
    monkeypatch.setattr(roc, "MIN_FALSE_ACCEPTS", 10)
    same = np.arange(num_different + 20) < 20
    result = _verify(np.arange(len(same)), same, np.arange(len(same)) % 10)
    for rates in (result.tar_at_far, result.intervals.tar_at_far):
        assert [far for far, value in rates.items() if value is not None] == told
        assert list(rates) == [0.01, 0.001]
    summary = result.summary()
    assert (summary["tar_at_far"]["0.01"] is None) == (0.01 not in told)
    assert (summary["intervals"]["tar_at_far"]["0.001"] is None) == (0.001 not in told)


def test_tar_at_far_on_a_slope():
    # A same and a different pair at each distance: the ROC is the diagonal.
    distances = np.tile(np.arange(300), 2)
    result = _verify(distances, np.arange(600) < 300, np.arange(600) % 7)
    assert result.tar_at_far == {0.01: pytest.approx(3 / 300), 0.001: 0}
    assert result.auc == pytest.approx(0.5)


@quick
@given(PAIRS)
def test_agrees_with_counting(rows):
    same = [s for _, s in rows]
    assume(any(same) and not all(same))
    distances = [d for d, _ in rows]
    folds = np.arange(len(rows)) % 3
    result = _verify(distances, same, folds)

    near = [d for d, s in rows if s]
    far = [d for d, s in rows if not s]
    wins = [(a < b) + (a == b) / 2 for a in near for b in far]
    assert result.auc == pytest.approx(np.mean(wins))

    points = [
        (np.mean([d < t for d in far]), np.mean([d < t for d in near]))
        for t in [0, *(d + 1e-6 for d in sorted(distances))]
    ]
    for wanted, tar in result.tar_at_far.items():
        assert tar == max(tpr for fpr, tpr in points if fpr <= wanted)
    (x0, y0), (x1, y1) = next(
        (a, b) for a, b in pairwise(points) if sum(a) <= 1 <= sum(b) and a != b
    )
    share = (1 - x0 - y0) / (x1 - x0 + y1 - y0)
    assert result.eer == pytest.approx(x0 + share * (x1 - x0))

    accuracies = []
    for fold in range(3):
        others = [row for row, k in zip(rows, folds, strict=True) if k != fold]
        mine = [row for row, k in zip(rows, folds, strict=True) if k == fold]
        threshold = max(
            [0, 0.25, 0.75, 1.25, 1.75, 3, 5],
            key=lambda t: _accuracy(*zip(*others, strict=True), t),
        )
        # Midpoints depend on which distances the others have: take ours for the value.
        others_d, others_s = (np.array(column) for column in zip(*others, strict=True))
        ours = best_threshold(others_d, others_s)
        assert set(others_d[others_d < ours]) == set(others_d[others_d < threshold])
        accuracies.append(_accuracy(*zip(*mine, strict=True), ours))
    assert result.accuracy_mean == pytest.approx(np.mean(accuracies))
    assert result.accuracy_std == pytest.approx(np.std(accuracies))


@quick
@given(PAIRS, st.randoms(use_true_random=False))
def test_order_of_pairs_does_not_matter(rows, random):
    assume(len({s for _, s in rows}) == 2)
    rows = [(*row, k % 3, k) for k, row in enumerate(rows)]
    shuffled = random.sample(rows, len(rows))
    first = _verify(*zip(*rows, strict=True)).summary()
    assert _verify(*zip(*shuffled, strict=True)).summary() == first


def test_summary_is_plain():
    result = _verify([0.1, 0.2, 2, 3], [1, 1, 0, 0], [0, 1, 0, 1])
    summary = result.summary()
    assert json.loads(json.dumps(summary)) == summary
    assert summary == {
        "accuracy_mean": 1.0,
        "accuracy_std": 0.0,
        "accuracy_standard_error": 0.0,
        "auc": 1.0,
        "eer": 0.0,
        "tar_at_far": {"0.01": 1.0, "0.001": 1.0},
        "intervals": {
            "accuracy_mean": [1.0, 1.0],
            "auc": [1.0, 1.0],
            "eer": [0.0, 0.0],
            "tar_at_far": {"0.01": [1.0, 1.0], "0.001": [1.0, 1.0]},
            "num_draws": 30,
        },
        "threshold": pytest.approx(1.1),
        "num_pairs": 4,
        "num_people": 6,
        "protocol": "by hand",
    }


# --- what cannot be scored ---


@pytest.mark.parametrize(
    ("distances", "same", "folds", "message"),
    [
        ([1, 2, 3, 4], [0, 0, 0, 0], [0, 1, 0, 1], "no pair is of the same person"),
        ([1, 2, 3, 4], [1, 1, 1, 1], [0, 1, 0, 1], "no pair is of different people"),
        ([], [], [], "no pair is of the same person"),
        (
            [1, np.nan, np.inf, 4],
            [1, 1, 0, 0],
            [0, 1, 0, 1],
            "2 of 4 distances are not",
        ),
        ([1, 2], [1, 0], [0, 9], "2 pairs leave a fold of 10 empty"),
        ([1, 2], [1, 0], [0, 0], "2 pairs leave a fold"),
    ],
)
def test_one_line_errors(distances, same, folds, message):
    with pytest.raises(InputError, match=f"^{message}") as error:
        _verify(distances, same, np.array(folds, int))
    assert "\n" not in str(error.value)


def test_a_scorer_of_one_fold():
    rows = [1, 2, 3, 4], [1, 0, 1, 0], [0, 0, 1, 1]
    with pytest.raises(InputError, match=r"^model 5 scored the pairs of fold 0 only"):
        _verify(*rows, scorers=np.array([5, 5, 6, 6]))


def test_people_who_contradict_the_truth():
    identities = np.array([[0, 0], [1, 2], [3, 4], [5, 5]])
    same, folds = np.array([True, True, False, False]), np.array([0, 1, 0, 1])
    with pytest.raises(InputError, match=r"^2 of 4 pairs are called the same person"):
        verify(
            np.arange(4.0),
            identities,
            same,
            folds,
            identities=identities,
            seed=0,
            protocol="by hand",
        )
