"""The margins: worked numbers, slopes against finite differences, and their limits."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_facenet.losses import LOSSES, Given
from cl_facenet.losses.margins import (
    arcface,
    cosface,
    falling_cosine,
    margin_logits,
    sphereface,
)
from cl_facenet.losses.softmax import softmax_cross_entropy

LATE = 10**6  # steps: lambda of SphereFace has come down to 5
HARDEN = {
    "arcface": arcface,
    "cosface": cosface,
    "sphereface": partial(sphereface, step=LATE),
}
MARGINS = [
    *[("arcface", m) for m in (0.0, 0.1, 0.5, 1.0, 3.0)],
    *[("cosface", m) for m in (0.0, 0.35, 0.4)],
    *[("sphereface", m) for m in (1.0, 1.35, 2.0, 4.0)],
]
NO_MARGIN = {"arcface": 0.0, "cosface": 0.0, "sphereface": 1.0}
EVERY = pytest.mark.parametrize(("name", "margin"), MARGINS)


def naive_psi(phi):
    """cos from 0 to pi, then each half wave turned over and hung under the last."""
    k = 0
    while phi > (k + 1) * np.pi:
        k += 1
    return (-1) ** k * np.cos(phi) - 2 * k


def naive_harden(name, cosine, margin):
    """In float64, of one cosine."""
    theta = np.arccos(cosine)
    return {
        "arcface": lambda: naive_psi(theta + margin),
        "cosface": lambda: cosine - margin,
        "sphereface": lambda: (5 * cosine + naive_psi(margin * theta)) / 6,
    }[name]()


def naive_loss(name, cosines, radius, labels, mask, margin):
    """Cross entropy with the own cosine made harder, a row at a time, in float64."""
    losses = []
    for i in np.flatnonzero(mask):
        z = radius[i, 0] * cosines[i]
        z[labels[i]] = radius[i, 0] * naive_harden(name, cosines[i, labels[i]], margin)
        losses.append(np.log(np.sum(np.exp(z - z.max()))) + z.max() - z[labels[i]])
    return np.mean(losses)


def given_cosines(cosines, radius, labels, mask=None, step=LATE):
    cosines, radius = jnp.float32(cosines), jnp.float32(radius)
    outputs = {"cosines": cosines, "radius": radius, "logits": radius * cosines}
    mask = np.ones(len(labels), bool) if mask is None else mask
    return Given(outputs, labels, mask, jnp.int32(step), jax.random.key(0))


def loss_of(name, margin, cosines, radius, labels, mask):
    loss, _ = LOSSES[name].term(given_cosines(cosines, radius, labels, mask), margin)
    return loss


# Worked in float64 by hand, at cos(theta) = 0.6.
@pytest.mark.parametrize(
    ("harden", "radius", "expected"),
    [
        (partial(arcface, margin=0.5), 64, 9.152583),
        (partial(cosface, margin=0.35), 64, 16.0),
        (partial(cosface, margin=0.4), 64, 12.8),
        (partial(sphereface, margin=4.0, step=LATE), 1, 0.307200),
    ],
)
def test_the_worked_logits(harden, radius, expected):
    """The own logit is the worked one; the others are radius * cosine, untouched."""
    cosines = jnp.array([[0.1, 0.6, -0.3]])
    logits = margin_logits(cosines, jnp.array([[radius]]), np.array([1]), harden)
    assert logits[0, 1] == pytest.approx(expected, abs=5e-6)
    np.testing.assert_array_equal(logits[0, ::2], radius * cosines[0, ::2])


def test_the_worked_psi():
    psi = falling_cosine(4 * jnp.arccos(jnp.array(0.6)))
    assert psi == pytest.approx(-1.156800, abs=1e-6)


@pytest.mark.parametrize(
    ("step", "weight"), [(0, 1000), (10, 1000 / 2.2), (1658, 5.0011), (LATE, 5)]
)
def test_sphereface_anneals_from_plain_cosines(step, weight):
    hardened = sphereface(jnp.array([0.6]), 4.0, jnp.int32(step))
    expected = (weight * 0.6 - 1.1568) / (1 + weight)
    assert hardened[0] == pytest.approx(expected, abs=1e-5)


@st.composite
def batches(draw):
    """A margin, and cosines, radii, labels and a mask with a real row."""
    name, margin = draw(st.sampled_from(MARGINS))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    cosines = np.cos(rng.uniform(0.05, np.pi - 0.05, (5, 3)))
    radius = np.full((5, 1), draw(st.sampled_from([1.0, 16.0, 64.0])))
    mask = rng.random(5) < 0.6
    mask[0] = True
    return name, margin, cosines, radius, rng.integers(0, 3, 5), mask


@given(batches())
def test_the_loss_is_that_of_a_naive_loop(batch):
    name, margin, *arrays = batch
    expected = naive_loss(name, *arrays, margin)
    assert loss_of(*batch) == pytest.approx(expected, rel=1e-4, abs=1e-4)


@given(batches())
def test_the_gradient_is_the_true_one(batch):
    """Central differences of the naive loop in float64, in every cosine and radius."""
    name, margin, cosines, radius, labels, mask = batch
    gradients = jax.grad(loss_of, argnums=(2, 3))(
        name, margin, jnp.float32(cosines), jnp.float32(radius), labels, mask
    )
    for gradient, varied in zip(gradients, (cosines, radius), strict=True):
        expected = np.zeros(varied.shape)
        for place in np.ndindex(varied.shape):
            ends = []
            for change in (1e-6, -1e-6):
                original, varied[place] = varied[place], varied[place] + change
                ends.append(naive_loss(name, cosines, radius, labels, mask, margin))
                varied[place] = original
            expected[place] = (ends[0] - ends[1]) / 2e-6
        scale = np.abs(expected).max()
        np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-3 * scale)


def test_arcface_has_the_factor_that_arcface_torch_drops():
    """d cos(theta + m) / d cos(theta) = sin(theta + m) / sin(theta)."""
    slope = jax.grad(lambda cosine: arcface(cosine, 0.5))(0.6)
    theta = np.arccos(0.6)
    assert slope == pytest.approx(np.sin(theta + 0.5) / np.sin(theta), rel=1e-5)


@EVERY
@given(st.floats(0, np.pi), st.floats(0, np.pi))
def test_the_own_cosine_only_falls_with_the_angle(name, margin, one, other):
    thetas = np.sort([one, other])
    near, far = HARDEN[name](jnp.cos(jnp.float32(thetas)), margin=margin)
    assert near >= far - 1e-6


@EVERY
@given(st.floats(0, np.pi))
def test_a_margin_never_makes_it_easier(name, margin, theta):
    cosine = jnp.cos(jnp.float32(theta))
    assert HARDEN[name](cosine, margin=margin) <= cosine + 1e-6


@EVERY
def test_the_own_cosine_has_no_jumps(name, margin):
    """Where k changes the two half waves meet."""
    thetas = np.linspace(0.01, np.pi - 0.01, 20_001)
    hardened = HARDEN[name](jnp.cos(jnp.float32(thetas)), margin=margin)
    assert np.abs(np.diff(hardened)).max() < 2e-3


@EVERY
@pytest.mark.parametrize("cosine", [1.0, -1.0, 1 + 1e-6, -1 - 1e-6])
def test_the_ends_are_finite(name, margin, cosine):
    """Also just outside, where rounding puts a product of unit vectors."""
    cosines = jnp.array([[cosine, 0.2], [0.2, -cosine]])
    loss, gradient = jax.value_and_grad(loss_of, argnums=2)(
        name,
        margin,
        cosines,
        jnp.full((2, 1), 64.0),
        np.array([0, 1]),
        np.ones(2, bool),
    )
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(("name", "margin"), NO_MARGIN.items())
@pytest.mark.parametrize("step", [0, LATE])
def test_without_a_margin_it_is_plain_softmax(name, margin, step):
    rng = np.random.default_rng(0)
    cosines, labels = rng.uniform(-1, 1, (8, 5)), rng.integers(0, 5, 8)
    given_ = given_cosines(cosines, np.full((8, 1), 16.0), labels, step=step)
    loss, _ = LOSSES[name].term(given_, margin)
    plain = softmax_cross_entropy(given_.outputs["logits"], labels, given_.mask)
    assert loss == pytest.approx(float(plain), rel=1e-5)


@pytest.mark.parametrize("name", HARDEN)
def test_a_smoothed_label_is_of_the_logits_with_the_margin(name):
    rng = np.random.default_rng(0)
    cosines, labels = rng.uniform(-1, 1, (8, 5)), rng.integers(0, 5, 8)
    given_ = given_cosines(cosines, np.full((8, 1), 16.0), labels)
    loss, _ = LOSSES[name].term(given_._replace(smoothing=0.2), 2.0)
    logits = margin_logits(
        *(jnp.float32(cosines), given_.outputs["radius"], labels),
        partial(HARDEN[name], margin=2.0),
    )
    expected = softmax_cross_entropy(logits, labels, given_.mask, 0.2)
    assert loss == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("name", HARDEN)
def test_accuracy_is_of_the_logits_without_the_margin(name):
    """The own class is nearest by far less than any margin."""
    given_ = given_cosines([[0.5, 0.49]], [[64.0]], np.array([0]))
    _, metrics = LOSSES[name].term(given_, LOSSES[name].margin)
    assert metrics["accuracy"] == 1


@pytest.mark.parametrize("name", HARDEN)
def test_low_precision_cosines_give_float32_logits(name):
    harden = partial(HARDEN[name], margin=NO_MARGIN[name] + 0.3)
    cosines = jnp.array([[0.5, -0.25]], jnp.bfloat16)
    logits = margin_logits(cosines, jnp.array([[64.0]]), np.array([0]), harden)
    assert logits.dtype == jnp.float32
