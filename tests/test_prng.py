"""Hashed bits: as random as any, and short to compile."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from cl_facenet.prng import HASHED

MANY = 50_000


def key(seed=0):
    return jax.random.key(seed, impl=HASHED)


def bits_of(words):
    """The bits of uint32 [N] as 0 and 1 [N, 32]."""
    return np.unpackbits(np.asarray(words)[:, None].view(np.uint8), axis=1)


@pytest.mark.parametrize("shape", [(), (3,), (0,), (3, 4097, 2)])
def test_every_shape_is_filled_from_its_key(shape):
    drawn = jax.random.bits(key(), shape)
    assert (drawn.shape, drawn.dtype) == (shape, jnp.uint32)
    np.testing.assert_array_equal(drawn, jax.random.bits(key(), shape))


def test_bits_are_those_of_a_loop_over_the_places():
    def hashed(x):
        x = (x ^ x >> 16) * 0x21F0AAAD % 2**32
        x = (x ^ x >> 15) * 0xD35A2D97 % 2**32
        return x ^ x >> 15

    first, second = (int(word) for word in jax.random.key_data(key(5)))
    expected = [hashed((hashed(n ^ first) + second) % 2**32) for n in range(20)]
    np.testing.assert_array_equal(jax.random.bits(key(5), (4, 5)).ravel(), expected)


@pytest.mark.parametrize("width", [8, 16])
def test_fewer_bits_are_the_first_of_more(width):
    few = jax.random.bits(key(), (100,), f"uint{width}")
    np.testing.assert_array_equal(few, jax.random.bits(key(), (100,)) >> (32 - width))


def test_more_bits_are_as_random():
    with jax.enable_x64(True):
        drawn = np.asarray(jax.random.bits(key(), (MANY,), "uint64"))
        assert len(set(drawn)) == MANY
        assert stats.kstest(drawn / 2.0**64, stats.uniform.cdf).pvalue > 0.01


def test_no_stream_is_like_another():
    """Nor like itself some places on: half of the bits are equal, as of any two."""
    keys = [key(0), key(1), *jax.random.split(key(0), 3)]
    keys += [jax.random.fold_in(key(0), n) for n in (7, 8, 2**31)]
    streams = [bits_of(jax.random.bits(k, (MANY,))) for k in keys]
    streams += [streams[0][1:], streams[0][64:]]
    for n, one in enumerate(streams):
        for other in streams[:n]:
            both = min(len(one), len(other))
            equal = (one[:both] == other[:both]).mean(0)  # of each bit
            assert np.all(np.abs(equal - 0.5) < 5 * 0.5 / np.sqrt(both))


def test_keys_that_are_split_and_folded_are_all_different():
    keys = [jax.random.split(key(n), (10, 100)).ravel() for n in range(10)]
    keys += [jax.vmap(jax.random.fold_in, (0, None))(keys[0], 2**20 + 3)]
    data = np.concatenate([jax.random.key_data(k) for k in keys])
    assert len(np.unique(data, axis=0)) == 11_000


@pytest.mark.parametrize(
    ("draw", "cdf"),
    [
        (jax.random.uniform, stats.uniform.cdf),
        (jax.random.normal, stats.norm.cdf),
        (
            lambda key, shape: jax.random.truncated_normal(key, -2, 2, shape),
            stats.truncnorm(-2, 2).cdf,
        ),
    ],
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_numbers_are_distributed_as_they_should(draw, cdf, seed):
    numbers = np.asarray(draw(key(seed), (MANY,)))
    assert stats.kstest(numbers, cdf).pvalue > 0.01


def test_neighbours_are_independent():
    numbers = np.asarray(jax.random.normal(key(), (MANY,)))
    for distance in (1, 2, 3, 9, 64, 4096):
        r = np.corrcoef(numbers[:-distance], numbers[distance:])[0, 1]
        assert abs(r) < 4 / np.sqrt(MANY)


def test_there_is_no_loop_to_compile():
    def draws(key):
        return [jax.random.uniform(key, (n,)) for n in (1, 100, 5000, 70000)]

    text = jax.jit(draws).lower(key()).as_text()
    assert "while" not in text
    assert "rng_bit_generator" not in text
