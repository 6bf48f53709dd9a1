"""Errors by groups are what loops over people and pairs say, and null says nothing."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_facenet.evaluation import bootstrap, groups
from cl_facenet.evaluation.groups import MEASURES, measure_groups

THRESHOLD = 1.0
ACROSS = "across"


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(bootstrap, "NUM_DRAWS", 12)
    monkeypatch.setattr(bootstrap, "MIN_DRAWS", 12)
    monkeypatch.setattr(groups, "MIN_PEOPLE", 2)


def photos(seed, *, num_people, num_groups, by_photo):
    """People with one to four photos each, at few distances, so that many tie."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(num_people), rng.integers(1, 5, num_people))
    of_people = rng.integers(-1, num_groups, num_people)[labels]
    codes = rng.integers(-1, num_groups, len(labels)) if by_photo else of_people
    codes[:2] = 0  # a pair at least
    rows = np.stack(np.triu_indices(len(labels), k=1), axis=-1)
    first, second = labels[rows].T
    distances = rng.integers(0, 8, len(rows)) / 4 + 0.25 * (first != second)
    return distances, rows, labels, codes


def measured(distances, rows, labels, codes, *, num_groups, seed=0):
    accepted = distances < THRESHOLD
    return measure_groups(
        distances, accepted, rows, labels, codes, num_groups=num_groups, seed=seed
    )


def by_loops(distances, rows, labels, codes, kinds, times):
    """MEASURES of the pairs of some kinds where person a came times[a] times."""
    same, different = {}, {}  # by kind and people: the distances of their pairs
    for distance, (i, j) in zip(distances.tolist(), rows.tolist(), strict=True):
        if codes[i] < 0 or codes[j] < 0:
            continue
        kind = codes[i] if codes[i] == codes[j] else ACROSS
        if kind in kinds:
            people = tuple(sorted((labels[i], labels[j])))
            of = same if labels[i] == labels[j] else different
            of.setdefault((kind, people), []).append(distance)

    def weighted(of):
        """Distances, and for how much each counts."""
        return [
            (distance, times[a] * (1 if a == b else times[b]) / len(found))
            for (_, (a, b)), found in of.items()
            for distance in found
        ]

    def share(pairs, wrong):
        total = sum(weight for _, weight in pairs)
        return sum(w for d, w in pairs if wrong(d)) / total if total else np.nan

    mated, strangers = weighted(same), weighted(different)
    both = [(s < d, s == d, v * w) for s, v in mated for d, w in strangers if v * w]
    total = sum(weight for *_, weight in both)
    area = sum((near + tie / 2) * weight for near, tie, weight in both)
    return [
        share(mated, lambda d: d >= THRESHOLD),
        share(strangers, lambda d: d < THRESHOLD),
        area / total if total else np.nan,
    ]


def draws(rows, labels, codes, seed):
    """How often each person came, for every draw: of those in pairs that are stated."""
    in_pairs = (codes[rows] >= 0).all(1)
    people = np.unique(labels[rows[in_pairs]])
    rng = np.random.default_rng(seed)
    for _ in range(12):
        yield Counter(rng.choice(people, len(people)).tolist())


@given(st.integers(0, 10_000), st.integers(1, 3), st.booleans())
def test_the_measures_and_their_intervals_are_those_of_loops(
    seed, num_groups, by_photo
):
    data = photos(seed, num_people=6, num_groups=num_groups, by_photo=by_photo)
    found = measured(*data, num_groups=num_groups, seed=seed)
    once = Counter(range(6))
    drawn = list(draws(*data[1:], seed))
    for code in range(num_groups):
        others = set(range(num_groups)) - {code}
        own, rest = ([by_loops(*data, k, once)] for k in ({code}, others))
        own += [by_loops(*data, {code}, times) for times in drawn]
        rest += [by_loops(*data, others, times) for times in drawn]
        check(found.groups[code], np.array(own), np.array(rest))
    across = [by_loops(*data, {ACROSS}, times) for times in (once, *drawn)]
    check(found.across, np.array(across), np.full((13, 3), np.nan))


def check(group, own, rest):
    """own, rest: measures [1 + D, 3] of all, then of draws."""
    for number, name in enumerate(MEASURES):
        mine = getattr(group, name)
        for values, value, interval in (
            (own, mine.value, mine.interval),
            (own - rest, mine.difference, mine.difference_interval),
        ):
            first, *drawn = values[:, number]
            assert value == (None if np.isnan(first) else pytest.approx(first))
            if interval is not None:
                expected = np.nanpercentile(drawn, [2.5, 97.5])
                assert interval == pytest.approx(tuple(expected))


def grid(people, codes, wrong=()):
    """All pairs of two photos of each person, near iff same; the wrong ones are not."""
    labels = np.repeat(np.arange(people), 2)
    rows = np.array(list(combinations(range(2 * people), 2)))
    first, second = labels[rows].T
    far = (first != second) ^ np.isin(np.arange(len(rows)), wrong)
    return np.where(far, 2.0, 0.5), rows, labels, np.repeat(codes, 2)


def test_by_hand():
    """Ann and Bob, then Cid and Dan; Ann's two photos are called different."""
    found = measured(*grid(4, [0, 0, 1, 1], wrong=[0]), num_groups=2)
    first, second = found.groups
    assert (first.num_people, first.num_photos) == (2, 4)
    assert (first.num_same_pairs, first.num_called_different) == (2, 1)
    assert (first.num_different_pairs, first.num_called_same) == (4, 0)
    assert first.false_non_match_rate.value == 0.5
    assert first.false_non_match_rate.difference == 0.5
    assert second.false_non_match_rate.difference == -0.5
    assert first.auc.value == 0.75  # a same pair ties with the different ones
    across = found.across
    assert (across.num_same_pairs, across.num_different_pairs) == (0, 16)
    assert across.false_non_match_rate.value is None
    assert across.false_match_rate.value == 0
    assert across.false_match_rate.difference is None


def test_everyone_counts_once():
    """Ann's ten photos are all called different; Bob's two, and Cid's, the same."""
    labels = np.repeat([0, 1, 2], [10, 2, 2])
    rows = np.stack(np.triu_indices(len(labels), k=1), axis=-1)
    first, second = labels[rows].T
    distances = np.where((first == second) & (first > 0), 0.5, 2.0)
    found = measured(distances, rows, labels, np.zeros(14, int), num_groups=1)
    (group,) = found.groups
    assert group.num_called_different / group.num_same_pairs == 45 / 47
    assert group.false_non_match_rate.value == pytest.approx(1 / 3)


def test_who_is_not_stated_counts_nowhere():
    stated = measured(*grid(3, [0, 0, 1], wrong=[0]), num_groups=2)
    more = measured(*grid(4, [0, 0, 1, -1], wrong=[0]), num_groups=2)
    assert more == stated


def test_a_handful_of_people_has_rates_but_no_interval(monkeypatch):
    data = grid(9, [0] * 3 + [1] * 6, wrong=[0, 5, 100])
    found = measured(*data, num_groups=2)
    assert found.groups[0].false_non_match_rate.interval is not None
    monkeypatch.setattr(groups, "MIN_PEOPLE", 4)
    group, others = measured(*data, num_groups=2).groups
    assert group.false_non_match_rate.value == pytest.approx(1 / 3)
    assert group.false_non_match_rate.interval is None
    assert group.false_non_match_rate.difference_interval is None
    assert others.false_match_rate.interval is not None


def test_an_error_never_seen_has_no_interval():
    """Nor one always made: nothing tells how rare the other outcome is."""
    (group,) = measured(*grid(6, [0] * 6), num_groups=1).groups
    for name in MEASURES:
        assert getattr(group, name).value == (1 if name == "auc" else 0)
        assert getattr(group, name).interval is None


def test_a_difference_that_is_there_is_more_than_chance():
    """Of forty people of one group half are called different, of the other's few."""
    labels = np.repeat(np.arange(80), 2)
    rows = np.stack(np.triu_indices(160, k=1), axis=-1)
    first, second = labels[rows].T
    hard = np.where(first < 40, first % 2 == 0, first % 10 == 0)
    distances = np.where((first == second) & ~hard, 0.5, 2.0)
    distances[::500] = 0.5  # some false matches everywhere
    codes = (labels >= 40).astype(int)
    found = measured(distances, rows, labels, codes, num_groups=2)
    low, high = found.groups[0].false_non_match_rate.difference_interval
    assert 0 < low < 0.4 < high
    low, high = found.groups[0].false_match_rate.difference_interval
    assert low < 0 < high


def test_a_file_of_json_says_all_of_it():
    (group,) = measured(*grid(6, [0] * 6, wrong=[0]), num_groups=1).groups
    content = group.summary()
    assert content["num_same_pairs"] == 6
    low, high = group.false_non_match_rate.interval
    assert content["false_non_match_rate"] == {
        "value": pytest.approx(1 / 6),
        "interval": [low, high],
        "difference": None,
        "difference_interval": None,
    }
