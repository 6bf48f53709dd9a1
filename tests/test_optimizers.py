"""Schedules by their values; optimizers by one step worked by hand."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cl_facenet.optimizers import (
    joined,
    kernels,
    make_optimizer,
    make_schedule,
    parts,
)

SETTINGS = {
    "num_steps": 100,
    "warmup_steps": 10,
    "decay_steps": (40, 80),
    "decay_factor": 0.1,
}
PARAMS = {
    "conv": {"kernel": jnp.array([2.0]), "bias": jnp.array([2.0])},
    "bn": {"scale": jnp.array([2.0]), "bias": jnp.array([2.0])},
    "logits": {"kernel": jnp.array([2.0]), "bias": jnp.array([2.0])},
}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("constant", {0: 0, 5: 0.05, 10: 0.1, 99: 0.1}),
        ("cosine", {0: 0, 5: 0.05, 10: 0.1, 55: 0.05, 100: 0}),
        ("step", {5: 0.05, 10: 0.1, 39: 0.1, 40: 0.01, 79: 0.01, 80: 0.001}),
    ],
)
def test_schedules(name, values):
    schedule = make_schedule(name, 0.1, **SETTINGS)
    for step, value in values.items():
        assert schedule(step) == pytest.approx(value, abs=1e-7)


def test_no_warm_up():
    schedule = make_schedule("constant", 0.1, **SETTINGS | {"warmup_steps": 0})
    assert schedule(0) == pytest.approx(0.1)


def step_of(name, weight_decay, epsilon=1e-8):
    tx = make_optimizer(
        name,
        optax.constant_schedule(0.1),
        momentum=0.9,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )
    grads = {layer: {k: jnp.ones(1) for k in PARAMS[layer]} for layer in PARAMS}
    state = tx.init(PARAMS)
    updates = []
    for _ in range(2):
        update, state = tx.update(grads, state, PARAMS)
        updates.append(update["conv"])
        np.testing.assert_array_equal(update["conv"]["bias"], update["bn"]["bias"])
        np.testing.assert_array_equal(update["conv"]["bias"], update["bn"]["scale"])
        for name in ("kernel", "bias"):  # of the head: in no other way
            np.testing.assert_allclose(
                update["conv"][name], update["logits"][name], rtol=1e-6
            )
    return updates


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("adam", -0.1, -0.1),
        ("sgd", -0.1, -0.19),  # the second has .9 of the first's velocity
        ("adagrad", -0.1 / np.sqrt(1.1), -0.1 / np.sqrt(2.1)),  # from optax's 0.1
    ],
)
def test_two_steps_on_a_gradient_of_one(name, first, second):
    updates = step_of(name, weight_decay=0.0)
    np.testing.assert_allclose(updates[0]["bias"], first, rtol=1e-4)
    np.testing.assert_allclose(updates[1]["bias"], second, rtol=1e-4)
    np.testing.assert_allclose(updates[0]["kernel"], first, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "kernel"), [("adam", -0.1 * (1 + 0.5 * 2)), ("sgd", -0.1 * (1 + 0.5 * 2))]
)
def test_decay_is_on_kernels_only(name, kernel):
    updates = step_of(name, weight_decay=0.5)
    np.testing.assert_allclose(updates[0]["kernel"], kernel, rtol=1e-5)
    np.testing.assert_allclose(updates[0]["bias"], -0.1, rtol=1e-5)


def test_kernels():
    assert kernels(PARAMS) == {
        "conv": {"kernel": True, "bias": False},
        "bn": {"scale": False, "bias": False},
        "logits": {"kernel": True, "bias": False},
    }


def test_arrays_joined_move_as_they_do_apart():
    inner = optax.scale_by_adam()
    keys = jax.random.split(jax.random.key(0), 3)
    shapes = {"a": (3, 2), "b": (), "c": (3, 2)}
    params = {name: jnp.zeros(shape) for name, shape in shapes.items()}
    apart, together = inner.init(params), joined(inner).init(params)
    assert together.mu.shape == (13,)  # as of optax.flatten: what checkpoints hold
    for key in keys:
        grads = {
            name: jax.random.normal(jax.random.fold_in(key, i), shape)
            for i, (name, shape) in enumerate(shapes.items())
        }
        expected, apart = inner.update(grads, apart)
        actual, together = joined(inner).update(grads, together)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), actual, expected)


def test_the_head_is_a_part_by_itself():
    assert parts(PARAMS) == {"conv": "network", "bn": "network", "logits": "head"}


def test_adagrad_decays_by_the_gradient():
    """Gradient 1 + .5 * 2 = 2, and AdaGrad's first step is nearly its sign."""
    updates = step_of("adagrad", weight_decay=0.5)
    np.testing.assert_allclose(updates[0]["kernel"], -0.1 * 2 / np.sqrt(4.1), rtol=1e-4)
    np.testing.assert_allclose(updates[0]["bias"], -0.1 / np.sqrt(1.1), rtol=1e-4)


def test_the_adam_of_deeplearning4j():
    """Its epsilon stands outside of the bias correction: worked by hand, ND4J's way.

    Step t: m / (1 - b1^t) is 1, sqrt(v / (1 - b2^t)) is 1, and so sqrt(v) is
    sqrt(1 - .999^t), of which epsilon is a third in the first step.
    """
    updates = step_of("adam_dl4j", weight_decay=0.0, epsilon=0.01)
    for t, update in enumerate(updates, 1):
        root = np.sqrt(1 - 0.999**t)
        expected = -0.1 * root / (root + 0.01)
        np.testing.assert_allclose(update["bias"], expected, rtol=1e-4)
        np.testing.assert_allclose(update["kernel"], expected, rtol=1e-4)
    ours = step_of("adam", weight_decay=0.0, epsilon=0.01)[0]["bias"]
    assert updates[0]["bias"] / ours == pytest.approx(0.767, abs=1e-3)


def test_the_adam_of_deeplearning4j_decays_by_the_gradient():
    """Gradient 1 + .5 * 2 = 2: sqrt(v) is 2 sqrt(.001), whose sign Adam takes."""
    update = step_of("adam_dl4j", weight_decay=0.5, epsilon=0.01)[0]
    root = 2 * np.sqrt(0.001)
    np.testing.assert_allclose(update["kernel"], -0.1 * root / (root + 0.01), rtol=1e-4)
    root = np.sqrt(0.001)
    np.testing.assert_allclose(update["bias"], -0.1 * root / (root + 0.01), rtol=1e-4)
