"""A softmax over some people: always those of the batch, others at random."""

import jax
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cl_facenet.losses.class_sampling import narrow, sample_classes


@given(
    seed=st.integers(0, 2**16),
    classes=st.integers(1, 40),
    extra=st.integers(0, 10),
)
def test_those_of_the_batch_are_always_in(seed, classes, extra):
    rng = np.random.default_rng(seed)
    labels, mask = rng.integers(0, classes, 8), rng.random(8) < 0.7
    number = min(classes, 8 + extra)
    drawn = np.array(
        sample_classes(
            jax.random.key(seed), labels, mask, num_classes=classes, number=number
        )
    )
    assert len(set(drawn)) == number
    assert (np.diff(drawn) > 0).all()
    assert drawn.min() >= 0
    assert drawn.max() < classes
    assert set(labels[mask]) <= set(drawn)


def test_all_others_have_the_same_chance():
    labels, mask = np.array([3, 5]), np.array([True, False])  # 5 is a filled row's
    draws = [
        np.array(sample_classes(key, labels, mask, num_classes=20, number=6))
        for key in jax.random.split(jax.random.key(0), 600)
    ]
    counts = np.bincount(np.concatenate(draws), minlength=20)
    assert counts[3] == 600
    others = np.delete(counts, 3)  # each 5 of 19 times, 158 +- 11
    assert others.min() > 158 - 45
    assert others.max() < 158 + 45


def test_a_head_is_narrowed_to_its_columns():
    rng = np.random.default_rng(0)
    head = {"logits": {"kernel": rng.random((4, 9)), "bias": rng.random(9)}}
    chosen, labels = np.array([1, 4, 8]), np.array([8, 1, 4, 8, 7])
    columns, places = narrow(head, labels, chosen)
    np.testing.assert_array_equal(
        columns["logits"]["kernel"], head["logits"]["kernel"][:, chosen].astype("f4")
    )
    np.testing.assert_array_equal(
        columns["logits"]["bias"], head["logits"]["bias"][chosen].astype("f4")
    )
    assert places.tolist() == [2, 0, 1, 2, 2]  # the last is nobody's: any place
