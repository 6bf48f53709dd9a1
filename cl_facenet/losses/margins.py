"""Margin losses: the target's cosine is made harder, the rest is softmax.

Their gradients are the true ones. (InsightFace's `arcface_torch` rewrites the target's
logit outside of its graph and so drops sin(theta + m) / sin(theta) from ArcFace's.)
"""

import jax
import jax.numpy as jnp

from cl_facenet.losses.given import Given, Metrics
from cl_facenet.losses.softmax import cross_entropy

# Cosines this near to 1 or -1 are clamped: there the slope of the angle is infinite.
NEAREST = 1e-6


def arcface(given: Given, margin: float) -> tuple[jax.Array, Metrics]:
    """cos(theta + m) for the target (Deng et al., arXiv 1801.07698, equation 3)."""
    return _with_target(given, monotone_cosine(_target_angle(given) + margin))


def cosface(given: Given, margin: float) -> tuple[jax.Array, Metrics]:
    """cos(theta) - m for the target (Wang et al., arXiv 1801.09414, equation 4)."""
    return _with_target(given, _target_cosine(given) - margin)


def sphereface(given: Given, margin: float) -> tuple[jax.Array, Metrics]:
    """(l cos(theta) + psi(m theta)) / (1 + l) for the target; features keep their length.

    Liu et al., arXiv 1704.08063, equation 7; l, as in its published solver, falls from
    1000 with the step t: max(5, 1000 / (1 + 0.12 t)).
    """
    share = jnp.maximum(5.0, 1000.0 / (1.0 + 0.12 * given.step))
    psi = monotone_cosine(margin * _target_angle(given))
    return _with_target(given, (share * _target_cosine(given) + psi) / (1.0 + share))


def monotone_cosine(phi: jax.Array) -> jax.Array:
    """(-1)^k cos(phi) - 2k with k = floor(phi / pi): cosine that goes on falling.

    Where an angle with its margin passes pi, cosine itself would rise again, and reward
    being further away. Continuous, with a continuous slope.
    """
    k = jax.lax.stop_gradient(jnp.floor(phi / jnp.pi))
    return jnp.where(k % 2 == 0, 1.0, -1.0) * jnp.cos(phi) - 2.0 * k


def _target_cosine(given: Given) -> jax.Array:
    """[B]: each row's cosine with its own person's weights."""
    cosines_bc = given.outputs["cosines"].astype(jnp.float32)
    return jnp.take_along_axis(cosines_bc, given.labels[:, None], axis=1)[:, 0]


def _target_angle(given: Given) -> jax.Array:
    return jnp.arccos(jnp.clip(_target_cosine(given), -1 + NEAREST, 1 - NEAREST))


def _with_target(given: Given, target_b: jax.Array) -> tuple[jax.Array, Metrics]:
    """Cross-entropy of radius * cosines, the target's cosine replaced."""
    cosines_bc = given.outputs["cosines"].astype(jnp.float32)
    is_target_bc = jnp.arange(cosines_bc.shape[-1]) == given.labels[:, None]
    hard_bc = jnp.where(is_target_bc, target_b[:, None], cosines_bc)
    return cross_entropy(given.outputs["radius"] * hard_bc, given)
