"""The losses on a softmax against naive loops in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_facenet.losses.softmax import (
    accuracy,
    mean_squared_error,
    softmax_cross_entropy,
)
from cl_facenet.models.facenet import NOBODY

BOTH = pytest.mark.parametrize("loss", [softmax_cross_entropy, mean_squared_error])


def softmax(z):
    return np.exp(z - z.max()) / np.exp(z - z.max()).sum()


def naive_target(label, classes, smoothing):
    return [
        (1 - smoothing) * (k == label) + smoothing / classes for k in range(classes)
    ]


def naive_cross_entropy(logits, labels, mask, smoothing):
    losses = []
    for z, label in zip(logits[mask], labels[mask], strict=True):
        y, log_p = naive_target(label, len(z), smoothing), np.log(softmax(z))
        losses.append(-sum(y[k] * log_p[k] for k in range(len(z))))
    return np.mean(losses)


def naive_squared_error(logits, labels, mask, smoothing):
    errors = []
    for z, label in zip(logits[mask], labels[mask], strict=True):
        y, p = naive_target(label, len(z), smoothing), softmax(z)
        errors.append(sum((p[k] - y[k]) ** 2 for k in range(len(z))) / len(z))
    return np.mean(errors)


NAIVE = {
    softmax_cross_entropy: naive_cross_entropy,
    mean_squared_error: naive_squared_error,
}


@st.composite
def batches(draw):
    rows, classes = draw(st.sampled_from([(1, 1), (6, 4), (3, 9)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    logits = draw(st.sampled_from([0.0, 1.0, 10.0])) * rng.normal(size=(rows, classes))
    mask = rng.random(rows) < 0.6
    mask[0] = True
    return logits, rng.integers(0, classes, rows), mask


@BOTH
@given(batches(), st.sampled_from([0.0, 0.1, 0.7]))
def test_it_is_that_of_a_naive_loop(loss, batch, smoothing):
    value = loss(jnp.float32(batch[0]), *batch[1:], smoothing)
    expected = NAIVE[loss](*batch, smoothing)
    assert value == pytest.approx(expected, rel=1e-5, abs=1e-6)


@BOTH
def test_columns_that_are_nobodys_get_nothing_of_a_smoothed_label(loss):
    logits = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    spare = np.pad(logits, ((0, 0), (0, 3)), constant_values=NOBODY)
    arguments = (np.arange(4), np.ones(4, bool), 0.2)
    assert loss(spare, *arguments) == pytest.approx(loss(logits, *arguments))
    gradient = jax.grad(loss)(jnp.float32(spare), *arguments)
    np.testing.assert_array_equal(gradient[:, 5:], 0)


def test_the_gradient_of_the_squared_error():
    """For one example (2 / C) p_k [(p_k - y_k) - sum_m p_m (p_m - y_m)]."""
    logits = np.array([[0.3, -1.2, 0.8]])
    p, y = softmax(logits[0]), np.array([0, 0, 1])
    expected = 2 / 3 * p * ((p - y) - np.sum(p * (p - y)))
    arguments = (np.array([2]), np.ones(1, bool))
    gradient = jax.grad(mean_squared_error)(jnp.float32(logits), *arguments)
    np.testing.assert_allclose(gradient[0], expected, rtol=1e-5)


def test_the_worked_numbers():
    """Those of the center rules' test (Deeplearning4j's zoo model), by hand."""
    x = np.array([[0.6, 0.8], [0.8, 0.6], [0.0, 1.0]])
    logits = jnp.float32(x @ np.array([[0.1, -0.2], [0.3, 0.05]]))
    arguments = (logits, np.array([0, 0, 1]), np.ones(3, bool))
    assert softmax_cross_entropy(*arguments) == pytest.approx(0.621356, abs=1e-6)
    assert mean_squared_error(*arguments) == pytest.approx(0.214656, abs=1e-6)


def test_huge_logits_are_safe():
    logits, label, real = np.array([[1e4, -1e4]]), np.array([1]), np.ones(1, bool)
    assert softmax_cross_entropy(logits, label, real) == pytest.approx(2e4)
    assert mean_squared_error(logits, label, real) == pytest.approx(1)


@BOTH
def test_low_precision_logits_give_a_float32_loss(loss):
    logits = jnp.array([[3.0, 1.0], [-2.0, 5.0]], jnp.bfloat16)
    arguments = (np.array([0, 0]), np.ones(2, bool))
    value = loss(logits, *arguments)
    assert value.dtype == jnp.float32
    assert value == loss(logits.astype(jnp.float32), *arguments)


@BOTH
def test_without_real_rows_loss_and_gradient_are_zero(loss):
    arguments = (jnp.ones((2, 3)), np.array([0, 1]), np.zeros(2, bool))
    value, gradient = jax.value_and_grad(loss)(*arguments)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


def test_accuracy_is_of_real_rows():
    logits = np.array([[1, 2], [2, 1], [0, 5], [5, 0]], np.float32)
    labels, mask = np.array([1, 0, 0, 1]), np.array([1, 1, 1, 0], bool)
    assert accuracy(logits, labels, mask) == pytest.approx(2 / 3)
    assert accuracy(logits, labels, np.zeros(4, bool)) == 0
