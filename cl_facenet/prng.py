"""Random bits for first parameters, of which there is little to compile."""

import math
from typing import Any

import jax
import jax.extend.random
import jax.numpy as jnp

BLOCK = 2**12  # numbers

_RBG: Any = jax.extend.random.rbg_prng_impl


def _random_bits(key: jax.Array, bit_width: int, shape: tuple[int, ...]) -> jax.Array:
    """Block after block from one generator, as many as hold the shape.

    A generator's program is long, and is compiled anew for every shape that it is to
    fill: for the forty kernels of a network that took twice the time of all the rest
    of their making.
    """
    count = math.prod(shape)
    dtype = jnp.dtype(f"uint{bit_width}")

    def draw(key: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        return jax.lax.rng_bit_generator(key, (BLOCK,), dtype)

    _, blocks = jax.lax.scan(draw, key, length=-(-count // BLOCK))
    return blocks.ravel()[:count].reshape(shape)


# JAX's "rbg" but for how it fills an array: keys split, and fold numbers in, as there.
RBG_IN_BLOCKS = jax.extend.random.define_prng_impl(
    **_RBG._asdict() | {"random_bits": _random_bits, "name": "rbg_blocks", "tag": "rbb"}
)
