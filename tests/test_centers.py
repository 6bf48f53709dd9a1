"""The center loss and the paper's rule: worked numbers, and a naive loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_facenet.centers import center_loss, update_centers, within_between_ratio

# Worked in float64 by hand from equations 2 and 4 of Wen et al. 2016.
X = np.array([[0.6, 0.8], [0.8, 0.6], [0.0, 1.0]], np.float32)
LABELS = np.array([0, 0, 1])
CENTERS = jnp.array([[0.5, 0.5], [-0.2, 0.4]])
ALL = np.ones(3, bool)


def test_the_worked_loss():
    """The paper's lambda/2 * sum with lambda .003 is .0009; ours is a mean of 3."""
    loss = 0.003 * center_loss(X, CENTERS[LABELS], ALL)
    assert loss * 3 == pytest.approx(0.0009, rel=1e-6)


def test_the_worked_gradient():
    gradient = jax.grad(lambda x: 0.003 * center_loss(x, CENTERS[LABELS], ALL))(X)
    np.testing.assert_allclose(3 * gradient[0], [0.0003, 0.0009], rtol=1e-5)


def test_the_centers_get_no_gradient():
    gradient = jax.grad(lambda c: center_loss(X, c[LABELS], ALL))(CENTERS)
    np.testing.assert_array_equal(gradient, 0)


def test_the_worked_update():
    centers, moved = update_centers(CENTERS, X, LABELS, ALL, alpha=0.5)
    np.testing.assert_allclose(
        centers, [[0.566667, 0.566667], [-0.15, 0.55]], rtol=0, atol=5e-7
    )
    steps = [np.hypot(0.2 / 3, 0.2 / 3), np.hypot(0.05, 0.15)]
    assert moved == pytest.approx(np.mean(steps), rel=1e-5)


def naive_update(centers, x, labels, mask, alpha):
    """Equation 4, one person after another, in float64."""
    centers = np.asarray(centers, np.float64)
    new = centers.copy()
    for person in range(len(centers)):
        own = [x[i] for i in range(len(x)) if mask[i] and labels[i] == person]
        total = sum((centers[person] - row for row in own), 0.0)
        new[person] -= alpha * total / (1 + len(own))
    return new


@st.composite
def batches(draw):
    people, rows = draw(st.sampled_from([(1, 1), (3, 7), (6, 12), (5, 2)]))
    dims = 3
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    return (
        jnp.array(rng.normal(size=(people, dims)), jnp.float32),
        rng.normal(size=(rows, dims)).astype(np.float32),
        rng.integers(0, people, rows).astype(np.int32),
        rng.random(rows) < draw(st.sampled_from([0.0, 0.5, 1.0])),
        draw(st.sampled_from([0.05, 0.5, 1.0])),
    )


@given(batches())
def test_the_update_is_that_of_a_naive_loop(batch):
    centers, _ = update_centers(*batch[:4], alpha=batch[4])
    np.testing.assert_allclose(centers, naive_update(*batch), atol=1e-5)


@given(batches())
def test_absent_people_and_padded_rows_move_nothing(batch):
    centers, x, labels, mask, alpha = batch
    moved, _ = update_centers(centers, x, labels, mask, alpha)
    absent = np.setdiff1d(np.arange(len(centers)), labels[mask])
    np.testing.assert_array_equal(moved[absent], centers[absent])
    junk = np.where(mask[:, None], x, 1e9).astype(np.float32)
    np.testing.assert_array_equal(
        moved, update_centers(centers, junk, labels, mask, alpha)[0]
    )


@given(batches())
def test_alpha_zero_leaves_the_centers_still(batch):
    centers, moved = update_centers(*batch[:4], alpha=0.0)
    np.testing.assert_array_equal(centers, batch[0])
    assert moved == 0


def test_the_rule_is_stable_for_any_number_of_photos():
    """Sandberg's rule would have diverged: 100 photos of one person in every batch."""
    x, labels = np.ones((100, 2), np.float32), np.zeros(100, np.int32)
    centers = jnp.full((1, 2), 50.0)
    for _ in range(5):
        centers, _ = update_centers(centers, x, labels, np.ones(100, bool), alpha=1.0)
    np.testing.assert_allclose(centers, [[1, 1]], atol=1e-5)


def test_the_update_touches_rows_of_the_batch_only():
    """No array of the compiled update but the centers is as long as the people."""
    people = 54_321
    args = (jnp.zeros((people, 2)), X, LABELS, ALL)
    compiled = jax.jit(lambda *a: update_centers(*a, alpha=0.5)[0], donate_argnums=0)
    memory = compiled.lower(*args).compile().memory_analysis()
    assert memory.temp_size_in_bytes < people
    assert memory.alias_size_in_bytes == people * 2 * 4  # updated in place


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
