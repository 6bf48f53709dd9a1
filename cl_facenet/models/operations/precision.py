"""What is too coarse for sums over many numbers."""

import jax
import jax.numpy as jnp


def at_least_float32(x: jax.Array) -> jax.Array:
    """x, in float32 if it was in less."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
