"""Random bits for first parameters, of which there is little to compile.

A number's bits are a hash of its place and of the key. JAX's own generators are long
programs, which XLA compiles anew for every shape they are to fill: for the forty
kernels of a network that took three times the time of all the rest of their making.
"""

import math
from typing import Any

import jax
import jax.extend.random
import jax.numpy as jnp


def _hash(x: jax.Array) -> jax.Array:
    """Swaps all uint32 around so that each bit depends on every bit.

    That is lowbias32 with TheIronBorn's constants, the least biased hash of two rounds
    that github.com/skeeto/hash-prospector lists.
    """
    x = (x ^ (x >> 16)) * jnp.uint32(0x21F0AAAD)
    x = (x ^ (x >> 15)) * jnp.uint32(0xD35A2D97)
    return x ^ (x >> 15)


def _seed(seed: jax.Array) -> jax.Array:
    # What the seeds are folded into: the first digits of the golden ratio and of pi.
    start = jnp.array([0x9E3779B9, 0x243F6A88], jnp.uint32)
    return _fold_in(start, seed)


def _fold_in(key: jax.Array, number: Any) -> jax.Array:
    first, second = key
    x = _hash(jnp.asarray(number).astype(jnp.uint32) ^ first)
    return jnp.stack([_hash(x + second), x])


def _split(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    numbers = jnp.arange(math.prod(shape), dtype=jnp.uint32)
    keys = jax.vmap(_fold_in, (None, 0))(key, numbers)
    return keys.reshape(*shape, 2)


def _random_bits(key: jax.Array, bit_width: int, shape: tuple[int, ...]) -> jax.Array:
    if bit_width == 64:
        high, low = (_random_bits(k, 32, shape) for k in _split(key, (2,)))
        return high.astype(jnp.uint64) << 32 | low.astype(jnp.uint64)
    first, second = key
    # Counted axis by axis: of numbers in a row, which are given their shape afterwards,
    # every device would make all before it keeps its own.
    place = jnp.zeros(shape, jnp.uint32)
    for axis in range(len(shape)):
        stride = jnp.uint32(math.prod(shape[axis + 1 :]) % 2**32)
        place += jax.lax.broadcasted_iota(jnp.uint32, shape, axis) * stride
    bits = _hash(_hash(place ^ first) + second)
    return (bits >> (32 - bit_width)).astype(f"uint{bit_width}")


# To be given to `jax.random.key`. A stream is of 2^32 numbers, none of which comes
# twice: good for first parameters, not for statistics of billions, nor for secrets.
HASHED = jax.extend.random.define_prng_impl(
    key_shape=(2,),
    seed=_seed,
    split=_split,
    random_bits=_random_bits,
    fold_in=_fold_in,
    name="hashed",
    tag="hsh",
)
