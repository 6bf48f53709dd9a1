"""Vectors of unit length."""

import jax
import jax.numpy as jnp


def l2_normalize(x: jax.Array, epsilon: float = 1e-10) -> jax.Array:
    """x / sqrt(sum x^2 + epsilon) along the last axis, float32 (Torch's Normalize)."""
    x = x.astype(jnp.float32)
    return x * jax.lax.rsqrt(jnp.sum(jnp.square(x), -1, keepdims=True) + epsilon)


def l2_normalize_above(x: jax.Array, floor: float) -> jax.Array:
    """x / max(||x||, floor) along the last axis, float32: a unit vector, or one of 0s.

    The gradient is that of x / floor below the floor, and finite everywhere.
    """
    x = x.astype(jnp.float32)
    squares = jnp.sum(jnp.square(x), -1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(squares, floor**2))
