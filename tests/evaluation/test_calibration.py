"""Thresholds hold their false-accept rate, and are given where it could be measured."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_facenet.errors import InputError
from cl_facenet.evaluation.calibration import (
    MAX_PHOTOS,
    Calibration,
    calibrate,
    calibrate_people,
)
from cl_facenet.evaluation.roc import greatest_threshold


def calibrated(distances, same):
    return calibrate(
        np.array(distances, float),
        np.array(same, bool),
        data="faces",
        protocol="all pairs",
        num_people=7,
    )


def by_hand(mated, strangers):
    return calibrated(
        [*mated, *strangers], [True] * len(mated) + [False] * len(strangers)
    )


def test_by_hand():
    """Of 100 different pairs, at 0.01, 0.02 ... 1, ten are nearer than 0.11."""
    calibration = by_hand([0.05, 0.105, 0.11, 0.5], np.arange(1, 101) / 100)
    (threshold,) = calibration.thresholds
    assert threshold.false_accept_rate == 0.1
    assert threshold.threshold == pytest.approx(0.11)
    assert threshold.true_accept_rate == 0.5


@pytest.mark.parametrize(
    ("num_different", "rates"),
    [
        (99, []),
        (100, [0.1]),
        (999, [0.1]),
        (1_000, [0.1, 0.01]),
        (4_500, [0.1, 0.01]),  # ORL
        (100_000, [0.1, 0.01, 0.001, 0.0001]),
    ],
)
def test_a_rate_is_known_from_ten_false_accepts_on(num_different, rates):
    strangers = np.random.default_rng(0).random(num_different)
    calibration = by_hand([0.1], strangers)
    assert [t.false_accept_rate for t in calibration.thresholds] == rates
    for threshold in calibration.thresholds:
        accepted = np.mean(strangers < threshold.threshold)
        assert accepted == pytest.approx(threshold.false_accept_rate, rel=0.1)


@given(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.5, 4.0]), min_size=1, max_size=60),
    st.sampled_from([0.0, 0.01, 0.1, 0.5, 0.9]),
)
def test_the_rate_is_never_above_and_no_greater_threshold_would_do(strangers, rate):
    strangers = np.array(strangers)
    threshold = greatest_threshold(strangers, rate)
    assert np.mean(strangers < threshold) <= rate
    assert np.mean(strangers < np.nextafter(threshold, np.inf)) > rate


def test_other_rates_are_refused_and_those_that_are_known_named():
    calibration = by_hand([0.1, 0.2], np.linspace(0, 4, 1_000))
    assert calibration.at(0.01) == calibration.thresholds[1]
    with pytest.raises(
        InputError,
        match=r"a false-accept rate of 0\.001: 1,002 pairs of 7 people in faces tell "
        r"those for 0\.1, 0\.01",
    ):
        calibration.at(0.001)
    with pytest.raises(InputError, match="tell those for none"):
        by_hand([0.1], [1.0]).at(0.1)


def test_written_and_read_again():
    calibration = by_hand([0.1, 0.2], np.linspace(0, 4, 1_000))
    content = json.loads(json.dumps(calibration.to_json()))
    assert Calibration.from_json(content) == calibration
    assert content["calibrated_on"] == {
        "data": "faces",
        "protocol": "all pairs",
        "num_same_pairs": 2,
        "num_different_pairs": 1_000,
        "num_people": 7,
    }
    assert set(content["thresholds"][0]) == {
        *("false_accept_rate", "threshold", "true_accept_rate")
    }


@pytest.mark.parametrize(
    "change",
    [
        {"thresholds": [{"threshold": 1.0}]},
        {"thresholds": None},
        {"calibrated_on": {}},
        {
            "calibrated_on": {
                "data": "faces",
                "protocol": "all pairs",
                "num_same_pairs": "2",
                "num_different_pairs": 1_000,
                "num_people": 7,
            }
        },
        {
            "thresholds": [
                dict.fromkeys(
                    ("false_accept_rate", "threshold", "true_accept_rate"), float("nan")
                )
            ]
        },
        {
            "thresholds": [
                dict.fromkeys(
                    ("false_accept_rate", "threshold", "true_accept_rate"), "0"
                )
            ]
        },
    ],
)
def test_what_is_not_whole_is_refused(change):
    content = by_hand([0.1, 0.2], np.linspace(0, 4, 1_000)).to_json() | change
    with pytest.raises((ValueError, TypeError, LookupError)):
        Calibration.from_json(content)


def test_of_people_all_pairs_are_measured():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 8))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    labels = np.arange(60) % 20
    pairs = [(a, b) for a in range(60) for b in range(a + 1, 60)]
    expected = calibrate(
        np.array([np.sum((x[a] - x[b]) ** 2) for a, b in pairs]),
        np.array([labels[a] == labels[b] for a, b in pairs]),
        data="faces",
        protocol="all pairs of people never trained on",
        num_people=20,
    )
    ours = calibrate_people(x, labels, data="faces", seed=0)
    assert ours.calibrated_on == expected.calibrated_on
    for one, other in zip(ours.thresholds, expected.thresholds, strict=True):
        assert one.threshold == pytest.approx(other.threshold)
        assert one.true_accept_rate == other.true_accept_rate


def test_of_very_many_photos_some_are_drawn():
    x = np.ones((MAX_PHOTOS + 1, 1))
    labels = np.arange(len(x)) % 7
    about = calibrate_people(x, labels, data="faces", seed=0).calibrated_on
    pairs = about.num_same_pairs + about.num_different_pairs
    assert pairs == MAX_PHOTOS * (MAX_PHOTOS - 1) // 2
    assert about.num_people == 7


def test_photos_without_a_face_are_not_measured_on():
    embedding = np.eye(4, dtype=np.float32)
    embedding[1] = np.nan
    with pytest.raises(InputError, match="1 of 4 photos have no vector"):
        calibrate_people(embedding, np.arange(4), data="faces", seed=0)
