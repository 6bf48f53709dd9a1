"""The center loss, and what a batch says to the centers, against naive loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_facenet.centers import center_loss, movement, pull_of, within_between_ratio

X = np.array([[0.6, 0.8], [0.8, 0.6], [0.0, 1.0]], np.float32)
LABELS = np.array([0, 0, 1])
CENTERS = jnp.array([[0.5, 0.5], [-0.2, 0.4]])
ALL = np.ones(3, bool)


def test_the_centers_get_no_gradient():
    gradient = jax.grad(lambda c: center_loss(X, c[LABELS], ALL))(CENTERS)
    np.testing.assert_array_equal(gradient, 0)


@st.composite
def batches(draw):
    people, rows = draw(st.sampled_from([(1, 1), (3, 7), (6, 12), (5, 2)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    return (
        rng.normal(size=(people, 3)).astype(np.float32),
        rng.normal(size=(rows, 3)).astype(np.float32),
        rng.integers(0, people, rows).astype(np.int32),
        rng.random(rows) < draw(st.sampled_from([0.0, 0.5, 1.0])),
    )


@given(batches())
def test_the_loss_is_that_of_a_naive_loop(batch):
    centers, x, labels, mask = batch
    real = np.flatnonzero(mask)
    halves = [np.square(x[i] - centers[labels[i]]).sum() / 2 for i in real]
    expected = np.mean(halves) if halves else 0.0
    loss = center_loss(x, centers[labels], mask)
    assert loss == pytest.approx(expected, rel=1e-5)


@given(batches())
def test_the_pull_has_each_person_of_the_batch_once(batch):
    centers, x, labels, mask = batch
    pull = jax.jit(pull_of)(centers, x, labels, mask, 0.0)
    people = sorted(set(labels[mask].tolist()))
    here = [(int(p), row) for row, p in enumerate(pull.people_p) if p < len(centers)]
    assert [person for person, _ in here] == people
    for person, row in here:
        own = np.flatnonzero(mask & (labels == person))
        np.testing.assert_allclose(
            pull.sum_pd[row], sum(centers[person] - x[i] for i in own), atol=1e-5
        )
        assert pull.count_p[row] == len(own)
    assert pull.count_p.sum() == mask.sum()
    assert pull.batch_size == max(mask.sum(), 1)


@given(batches())
def test_movement_is_the_mean_of_those_in_the_batch(batch):
    centers, x, labels, mask = batch
    pull = jax.jit(pull_of)(centers, x, labels, mask, 0.0)
    after = np.random.default_rng(0).normal(size=centers.shape).astype(np.float32)
    people = sorted(set(labels[mask].tolist()))
    lengths = [np.linalg.norm(after[p] - centers[p]) for p in people]
    moved = movement(jnp.asarray(centers), jnp.asarray(after), pull)
    assert moved == pytest.approx(np.mean(lengths) if people else 0.0, rel=1e-5)


def test_within_between_ratio_against_loops():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(3, 4)).astype(np.float32)
    labels = np.array([0, 1, 2, 1, 0, 0])
    mask = np.array([1, 1, 1, 1, 1, 0], bool)
    x = rng.normal(size=(6, 4)).astype(np.float32)
    distances = {True: [], False: []}
    for i in range(5):
        for j in range(5):
            gap = np.square(x[i] - centers[labels[j]]).sum()
            distances[bool(labels[i] == labels[j])].append(gap)
    expected = np.mean(distances[True]) / np.mean(distances[False])
    ratio = within_between_ratio(x, centers[labels], labels, mask)
    assert ratio == pytest.approx(expected, rel=1e-5)
