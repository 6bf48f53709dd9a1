import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cl_facenet.errors import InputError
from cl_facenet.evaluation.classification import classify

# Person 0: three photos, two found. Person 1: one photo, found. Person 2: two photos,
# one taken for 0 and one for 1. Person 3 has none, person 4 none but is an answer once.
LABELS = np.array([0, 0, 0, 1, 2, 2])
ANSWERS = np.array([0, 0, 4, 1, 0, 1])


def test_hand_computed():
    result = classify(LABELS, ANSWERS, num_classes=5)
    assert result.accuracy == 3 / 6
    # Means over persons 0, 1 and 2 alone: 3 and 4 have no photos.
    assert result.precision == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert result.recall == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert result.f1 == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert result.num_images == 6


def test_confusion_has_true_people_in_rows():
    expected = np.zeros((5, 5), int)
    expected[0, 0], expected[0, 4], expected[1, 1] = 2, 1, 1
    expected[2, 0], expected[2, 1] = 1, 1
    confusion = classify(LABELS, ANSWERS, num_classes=5).confusion
    np.testing.assert_array_equal(confusion, expected)
    assert np.issubdtype(confusion.dtype, np.integer)


def test_perfect():
    result = classify(np.arange(4), np.arange(4), num_classes=4)
    assert (result.accuracy, result.precision, result.recall, result.f1) == (1, 1, 1, 1)


def test_one_photo_a_person_gives_no_warning():
    people = np.arange(50)
    assert classify(people, np.roll(people, 1), num_classes=50).accuracy == 0


def test_no_matrix_is_made_before_it_is_asked_for():
    assert classify(LABELS, ANSWERS, num_classes=10_000_000).accuracy == 0.5


def test_summary_is_plain():
    summary = classify(LABELS, ANSWERS, num_classes=5).summary()
    assert json.loads(json.dumps(summary)) == summary
    assert list(summary) == [
        "accuracy",
        "precision",
        "recall",
        "f1",
        "num_images",
        "num_classes",
    ]
    assert (summary["num_images"], summary["num_classes"]) == (6, 5)


def test_no_photos():
    with pytest.raises(InputError, match=r"^no held-out photos.*heldout_share$"):
        classify(np.array([], int), np.array([], int), num_classes=3)


@settings(deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30)
)
def test_agrees_with_counting(rows):
    labels, predictions = np.array(rows).T
    precisions, recalls, f1s = [], [], []
    for person in sorted(set(labels.tolist())):
        right = sum(label == answer == person for label, answer in rows)
        answered = sum(answer == person for _, answer in rows)
        photos = sum(label == person for label, _ in rows)
        precisions.append(right / answered if answered else 0)
        recalls.append(right / photos)
        f1s.append(2 * right / (answered + photos))
    result = classify(labels, predictions, num_classes=5)
    assert result.accuracy == pytest.approx(np.mean([a == b for a, b in rows]))
    assert result.precision == pytest.approx(np.mean(precisions))
    assert result.recall == pytest.approx(np.mean(recalls))
    assert result.f1 == pytest.approx(np.mean(f1s))
    for (a, b), count in np.ndenumerate(result.confusion):
        assert count == rows.count((a, b))
