"""An embedding that tells nobody apart is noticed; one that does is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_facenet.collapse import collapse_warning, effective_rank


@given(rank=st.integers(1, 6), seed=st.integers(0, 2**16))
def test_rank_is_how_many_directions_there_are(rank, seed):
    """Of rows that go equally far in so many directions, whichever those are."""
    rng = np.random.default_rng(seed)
    directions = np.linalg.qr(rng.normal(size=(8, 8)))[0][:rank]
    x = np.concatenate([directions, -directions]) + rng.normal(size=8)
    mask = np.ones(len(x), bool)
    assert effective_rank(x, mask) == pytest.approx(rank, rel=1e-3)


@given(seed=st.integers(0, 2**16))
def test_rank_is_that_of_the_eigenvalues_of_real_rows(seed):
    rng = np.random.default_rng(seed)
    x, mask = rng.normal(size=(7, 4)) * [3, 1, 0.5, 0.1], rng.random(7) < 0.7
    mask[:2] = True
    values = np.linalg.eigvalsh(np.cov(x[mask].T))
    expected = values.sum() ** 2 / np.square(values).sum()
    assert effective_rank(x, mask) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("real", [0, 1, 4])
def test_equal_rows_have_no_direction(real):
    assert effective_rank(np.ones((4, 3)), np.arange(4) < real) == 0


def row(step=50, rank=9.0, ratio=0.4):
    names = ("step", "train/effective_rank", "train/within_between_ratio")
    return dict(zip(names, (step, rank, ratio), strict=True))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (row(rank=1.2), "the photos of a batch differ in 1.2 directions;"),
        (row(ratio=0.99), "own centers are 0.99 times as far as others'"),
        (row(rank=1.0, ratio=1.0), "1.0 directions and own centers are 1.00 times"),
    ],
)
def test_what_is_said(row, says):
    warning = collapse_warning(row, num_steps=100)
    assert warning.startswith("the embedding tells nobody apart at step 50 of 100: ")
    assert says in warning


@pytest.mark.parametrize(
    "row", [row(), {"step": 50}, row(step=24, rank=1.0, ratio=1.0)]
)
def test_nothing_is_said_of_a_good_one_or_a_new_one(row):
    assert collapse_warning(row, num_steps=100) is None
