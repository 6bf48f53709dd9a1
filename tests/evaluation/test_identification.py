import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cl_facenet.errors import InputError
from cl_facenet.evaluation import identification, roc
from cl_facenet.evaluation.identification import Enrolment, enrol, identify

# --- the protocol ---

LABELS = np.array([4, 4, 4, 9, 9, 2, 2, 7, 5, 5, 4])  # person 7 has one photo


def test_half_of_the_people_with_two_photos_are_enrolled():
    enrolment = enrol(LABELS, seed=0)
    gallery, mated = LABELS[enrolment.gallery], LABELS[enrolment.mated]
    assert len(gallery) == len(set(gallery)) == 2
    assert set(mated) == set(gallery)
    assert 7 in LABELS[enrolment.unknown]
    assert not set(gallery) & set(LABELS[enrolment.unknown])


@given(st.lists(st.integers(0, 6), min_size=1, max_size=20), st.integers(0, 99))
def test_every_photo_has_one_part(labels, seed):
    labels = np.array(labels)
    photos = np.bincount(labels)
    several = np.sum(photos > 1)
    assume(several and (several + 1) // 2 < np.sum(photos > 0))
    enrolment = enrol(labels, seed=seed)
    parts = enrolment.gallery, enrolment.mated, enrolment.unknown
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    assert len(enrolment.gallery) == (several + 1) // 2
    identify(np.eye(len(labels)), labels, enrolment, protocol="raises nothing")


def test_people_and_photos_are_drawn():
    drawn = [enrol(LABELS, seed=seed) for seed in range(40)]
    galleries = {row for enrolment in drawn for row in enrolment.gallery.tolist()}
    assert galleries == set(range(len(LABELS))) - {7}
    again = enrol(LABELS, seed=3)
    np.testing.assert_array_equal(again.gallery, drawn[3].gallery)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "nobody has two photos"),
        ([1, 2, 3], "nobody has two photos"),
        ([1, 1, 1], "nobody is left to be unknown"),
    ],
)
def test_no_protocol(labels, message):
    with pytest.raises(InputError, match=f"^{message}"):
        enrol(np.array(labels, int), seed=0)


# --- the measures ---


@pytest.fixture
def few_strangers_tell(monkeypatch):
    """By hand there are few."""
    monkeypatch.setattr(roc, "MIN_FALSE_ACCEPTS", 0)


def test_a_rate_takes_ten_strangers_that_it_would_let_pass():
    embeddings = np.random.default_rng(0).normal(size=(110, 4))
    labels = np.arange(110)
    labels[1] = 0
    for num_unknown, told in ((99, []), (100, [0.1])):
        parts = Enrolment(np.array([0]), np.array([1]), np.arange(2, 2 + num_unknown))
        result = identify(embeddings, labels, parts, protocol="few")
        rates = result.dir_at_far
        assert [far for far, rate in rates.items() if rate is not None] == told
        assert result.summary()["dir_at_far"]["0.01"] is None


def _by_hand():
    """On a line: people 1, 2 and 3 at 0 and 100, 10, and 20; probes, and strangers."""
    gallery = {0: 1, 100: 1, 10: 2, 20: 3}
    mated = {1: 1, 98: 1, 6: 1, 12: 2, 16: 2, 3: 3}
    unknown = {50: 8, 13: 8, 24: 9, -5: 9, 110: 9}
    labels = np.array([*gallery.values(), *mated.values(), *unknown.values()])
    embeddings = np.array([*gallery, *mated, *unknown], np.float32)[:, None]
    return embeddings, labels, Enrolment(*np.split(np.arange(15), [4, 10]))


@pytest.mark.usefixtures("few_strangers_tell")
def test_hand_computed():
    result = identify(*_by_hand(), protocol="by hand")
    # Right: 1 (d = 1), 98 (4) and 12 (4). 6 (36) and 16 (36) are second. 3 is nearer
    # to 1 and to 2 than to 3.
    np.testing.assert_allclose(result.cmc, [3 / 6, 5 / 6, 1])
    assert result.rank_1 == 0.5
    # The strangers' nearest are 900, 9, 16, 25 and 100 away. None may pass.
    assert result.dir_at_far == {0.01: 0.5, 0.1: 0.5}


@pytest.mark.usefixtures("few_strangers_tell")
def test_the_threshold_lets_the_share_of_strangers_pass(monkeypatch):
    embeddings, labels, enrolment = _by_hand()
    embeddings[enrolment.unknown[1]] = 11.5  # d = 2.25
    embeddings[enrolment.unknown[2]] = 11.5
    monkeypatch.setattr(identification, "FALSE_ALARM_RATES", (0.19, 0.2, 0.4, 0.59))
    rates = identify(embeddings, labels, enrolment, protocol="by hand").dir_at_far
    # Below 2.25 none passes; of two at one distance, one alone cannot.
    assert rates == {0.19: 1 / 6, 0.2: 1 / 6, 0.4: 0.5, 0.59: 0.5}


@pytest.mark.usefixtures("few_strangers_tell")
def test_a_tie_is_no_match():
    embeddings, labels, enrolment = _by_hand()
    result = identify(np.ones_like(embeddings), labels, enrolment, protocol="collapsed")
    np.testing.assert_array_equal(result.cmc, [0, 0, 1])
    assert result.dir_at_far == {0.01: 0, 0.1: 0}


@given(st.integers(0, 1000))
def test_agrees_with_counting(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 6, 60)
    embeddings = (rng.integers(0, 6, (6, 2))[labels] + rng.integers(-2, 3, (60, 2))) / 4
    order = rng.permutation(60)
    enrolled = order[labels[order] < 4]
    gallery = np.concatenate([np.arange(60)[labels == person][:2] for person in (0, 1)])
    gallery = np.concatenate([gallery, enrolled[labels[enrolled] > 1]])
    mated, unknown = np.setdiff1d(enrolled, gallery), order[labels[order] > 3]
    assume(len(mated))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roc, "MIN_FALSE_ACCEPTS", 0)
        result = identify(
            embeddings, labels, Enrolment(gallery, mated, unknown), protocol="any"
        )

    def nearest(probe):
        rows = {}
        for photo in gallery:
            distance = sum((embeddings[probe] - embeddings[photo]) ** 2)
            rows.setdefault(labels[photo], []).append(distance)
        return {person: min(distances) for person, distances in rows.items()}

    def place(probe):
        own = nearest(probe)[labels[probe]]
        return sum(distance <= own for distance in nearest(probe).values())

    for k, share in enumerate(result.cmc, start=1):
        assert share == pytest.approx(np.mean([place(probe) <= k for probe in mated]))
    strangers = np.array([min(nearest(probe).values()) for probe in unknown])
    for far, rate in result.dir_at_far.items():
        rates = [
            np.mean([place(p) == 1 and nearest(p)[labels[p]] < t for p in mated])
            for t in strangers
            if np.mean(strangers < t) <= far
        ]
        assert rate == pytest.approx(max(rates))


def test_chunks_do_not_matter(monkeypatch):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 50, 2000)
    embeddings = rng.normal(size=(2000, 2)).astype(np.float32)
    enrolment = enrol(labels, seed=0)
    whole = identify(embeddings, labels, enrolment, protocol="any")
    monkeypatch.setattr(identification, "WORKING_MEMORY", 0.05)  # MiB
    parts = identify(embeddings, labels, enrolment, protocol="any")
    np.testing.assert_array_equal(parts.cmc, whole.cmc)
    assert parts.dir_at_far == whole.dir_at_far


@pytest.mark.usefixtures("few_strangers_tell")
def test_summary_is_plain():
    summary = identify(*_by_hand(), protocol="by hand").summary()
    assert json.loads(json.dumps(summary)) == summary
    assert summary == {
        "rank_1": 0.5,
        "dir_at_far": {"0.01": 0.5, "0.1": 0.5},
        "num_gallery": 4,
        "num_probes": 6,
        "num_people": 3,
        "num_unknown_probes": 5,
        "protocol": "by hand",
    }


# --- what cannot be scored ---


@pytest.mark.parametrize(
    ("gallery", "mated", "unknown", "message"),
    [
        ([], [1], [4], "there are no gallery photos"),
        ([0], [], [4], "there are no mated probes"),
        ([0], [1], [], "there are no unknown probes"),
        ([0], [1, 2], [4], "1 mated probes are of people not in the gallery"),
        ([0, 2], [1], [3, 4], "1 unknown probes are of people in the gallery"),
    ],
)
def test_one_line_errors(gallery, mated, unknown, message):
    labels = np.array([0, 0, 1, 1, 2])
    parts = (np.array(rows, int) for rows in (gallery, mated, unknown))
    with pytest.raises(InputError, match=f"^{message}"):
        identify(np.eye(5), labels, Enrolment(*parts), protocol="none")


def test_a_diverged_network():
    embeddings, labels, enrolment = _by_hand()
    embeddings[3] = np.nan
    with pytest.raises(InputError, match=r"^embeddings are not finite"):
        identify(embeddings, labels, enrolment, protocol="none")
