import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from cl_facenet.evaluation import bootstrap as module
from cl_facenet.evaluation.bootstrap import bootstrap


def _pairs(num_people, seed):
    """All pairs of three photos each, at few distances, so that many tie."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(num_people), 3)
    first, second = np.triu_indices(len(labels), k=1)
    identities = np.stack([labels[first], labels[second]], axis=1)
    same = identities[:, 0] == identities[:, 1]
    distances = rng.integers(0, 12, len(same)) / 4 + ~same
    return distances, same, rng.random(len(same)) < 0.8, identities


def _by_repeating(distances, same, right, identities, *, num_draws, seed):
    """Every draw as a list in which a pair stands as often as it counts."""
    people = np.unique(identities)
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(num_draws):
        drawn = rng.choice(people, len(people)).tolist()
        listed = []
        for k, (a, b) in enumerate(identities.tolist()):
            times = drawn.count(a) * (1 if a == b else drawn.count(b))
            listed += [k] * times
        if len(set(same[listed])) < 2:
            continue
        fpr, tpr, _ = roc_curve(
            same[listed], -distances[listed], drop_intermediate=False
        )
        rows.append(
            [
                np.mean(right[listed]),
                roc_auc_score(same[listed], -distances[listed]),
                np.interp(1, fpr + tpr, fpr),
                *(tpr[fpr <= far].max() for far in (0.01, 0.001)),
            ]
        )
    return np.percentile(rows, [2.5, 97.5], axis=0).T


def _flat(intervals):
    rates = intervals.tar_at_far
    assert list(rates) == [0.01, 0.001]
    return [intervals.accuracy_mean, intervals.auc, intervals.eer, *rates.values()]


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(module, "NUM_DRAWS", 20)
    monkeypatch.setattr(module, "MIN_DRAWS", 10)


@given(st.integers(2, 7), st.integers(0, 1000))
def test_weights_are_repetitions(num_people, seed):
    pairs = _pairs(num_people, seed)
    expected = _by_repeating(*pairs, num_draws=20, seed=seed)
    np.testing.assert_allclose(_flat(bootstrap(*pairs, seed=seed)), expected)


def test_two_people_of_whom_draws_may_leave_one():
    # Half of the draws have no different pair; nothing of them is counted.
    distances, identities = np.array([0.0, 2, 1]), np.array([[3, 3], [8, 8], [3, 8]])
    same, right = np.array([True, True, False]), np.array([True, False, True])
    intervals = bootstrap(distances, same, right, identities, seed=0)
    assert intervals.accuracy_mean == (2 / 3, 2 / 3)
    assert intervals.auc == (0.5, 0.5)
    assert intervals.num_draws == 20


def test_the_interval_of_a_mean_is_the_normal_one(monkeypatch):
    # 400 people with a same pair each, of which 300 are nearer than all different
    # pairs: the TAR is the mean of 400 independent yeses and noes.
    monkeypatch.setattr(module, "NUM_DRAWS", 1000)
    people = np.arange(400)
    identities = np.concatenate(
        [np.stack([people, people], 1), np.stack([people, np.roll(people, 1)], 1)]
    )
    distances = np.where(np.arange(800) < 300, 0.5, 1.0)
    same = np.arange(800) < 400
    intervals = bootstrap(distances, same, same, identities, seed=0)
    width = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    expected = (0.75 - width, 0.75 + width)
    assert intervals.tar_at_far[0.01] == pytest.approx(expected, abs=0.005)


def test_the_seed_settles_it():
    pairs = _pairs(6, 0)
    assert bootstrap(*pairs, seed=1) == bootstrap(*pairs, seed=1)
    assert bootstrap(*pairs, seed=1) != bootstrap(*pairs, seed=2)


def test_numbers_of_people_are_only_names():
    distances, same, right, identities = _pairs(6, 0)
    first = bootstrap(distances, same, right, identities, seed=1)
    assert bootstrap(distances, same, right, 7 * identities + 5, seed=1) == first


def test_chunks_do_not_matter(monkeypatch):
    pairs = _pairs(6, 0)
    whole = bootstrap(*pairs, seed=1)
    monkeypatch.setattr(module, "CHUNK", 7)
    monkeypatch.setattr(module, "DRAWS_AT_ONCE", 3)
    assert bootstrap(*pairs, seed=1) == whole


@pytest.mark.parametrize(("room", "num_draws"), [(5, 10), (15, 15), (99, 20)])
def test_many_pairs_are_drawn_fewer_times(monkeypatch, room, num_draws):
    pairs = _pairs(4, 0)
    monkeypatch.setattr(module, "MAX_WEIGHTS", room * len(pairs[0]))
    assert bootstrap(*pairs, seed=1).num_draws == num_draws
