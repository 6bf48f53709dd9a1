"""Margins: the own class is made harder to reach, the others are left as they are.

A head gives the cosines [B, C] between a face and the direction of each person. A
margin replaces each row's own cosine by something smaller; times the radius, they are
logits for a softmax cross entropy. In float32, whatever the cosines are.

All gradients are the true ones. `arcface_torch` rewrites its logits where no gradient
is recorded, so that its own cosine gets s (p_y - 1) / B without the factor
sin(theta + m) / sin(theta) that is part of ArcFace's derivative, and is here.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

EDGE = 1e-7  # angles stay so far inside cos = +-1, where arccos has no slope


def margin_logits(
    cosines_bc: jax.Array,
    radius_b1: jax.Array,
    labels_b: jax.Array,
    harden: Callable[[jax.Array], jax.Array],
) -> jax.Array:
    """Logits [B, C]: radius * cosines, where `harden` has replaced the own ones.

    Args:
      cosines_bc: cos(theta) of each face to each class.
      radius_b1: a constant scale s, or the length of the features.
      labels_b: each face's own class.
      harden: own cosines [B] -> what to put in their place [B].
    """
    cosines_bc = cosines_bc.astype(jnp.float32)
    own_bc = labels_b[:, None] == jnp.arange(cosines_bc.shape[-1])
    # Taken out first: an arccos of B numbers, not of B * C. As a sum it is the same
    # program where the classes are split over devices.
    own_b = jnp.sum(cosines_bc, -1, where=own_bc)
    return radius_b1 * jnp.where(own_bc, harden(own_b)[:, None], cosines_bc)


def arcface(cosines_b: jax.Array, margin: float) -> jax.Array:
    """cos(theta + m), going on downwards past pi. Deng et al., CVPR 2019, equation 3.

    Published with m = 0.5 and s = 64.
    """
    return falling_cosine(_angles(cosines_b) + margin)


def cosface(cosines_b: jax.Array, margin: float) -> jax.Array:
    """cos(theta) - m: the LMCL of Wang et al., CVPR 2018; m = 0.35 and s = 64."""
    return cosines_b - margin


def sphereface(cosines_b: jax.Array, margin: float, step: jax.Array) -> jax.Array:
    """(lambda cos(theta) + psi(m theta)) / (1 + lambda), psi being `falling_cosine`.

    The A-Softmax of Liu et al., CVPR 2017, with m = 4; its radius is ||x||. lambda
    anneals from plain cosines to the margin as in their code (wy1iu/sphereface): with
    t steps done, max(5, 1000 / (1 + 0.12 t)).
    """
    weight = jnp.maximum(5.0, 1000.0 / (1 + 0.12 * step))
    psi_b = falling_cosine(margin * _angles(cosines_b))
    return (weight * cosines_b + psi_b) / (1 + weight)


def falling_cosine(phi: jax.Array) -> jax.Array:
    """(-1)^k cos(phi) - 2k, k = floor(phi / pi): cos on [0, pi], and falling on.

    cos itself would rise again past pi, and reward a face for being there.
    """
    k = jnp.floor(phi / jnp.pi)
    return jnp.where(k % 2 == 0, 1.0, -1.0) * jnp.cos(phi) - 2 * k


def _angles(cosines_b: jax.Array) -> jax.Array:
    return jnp.arccos(jnp.clip(cosines_b, -1 + EDGE, 1 - EDGE))
