"""Bits in blocks: as random as any, and short to compile."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from cl_facenet.prng import BLOCK, RBG_IN_BLOCKS


def key(seed=0):
    return jax.random.key(seed, impl=RBG_IN_BLOCKS)


@pytest.mark.parametrize("shape", [(), (3,), (BLOCK,), (BLOCK + 1,), (3, BLOCK, 2)])
def test_every_shape_is_filled_from_its_key(shape):
    drawn = jax.random.bits(key(), shape)
    assert (drawn.shape, drawn.dtype) == (shape, jnp.uint32)
    np.testing.assert_array_equal(drawn, jax.random.bits(key(), shape))


def test_no_block_is_like_another_and_no_key():
    keys = [key(0), key(1), *(jax.random.fold_in(key(0), n) for n in (1, 2))]
    rows = np.concatenate([jax.random.bits(k, (3, BLOCK)) for k in keys])
    same = (rows[:, None] == rows[None]).mean(-1)
    assert np.all(same[~np.eye(len(rows), dtype=bool)] < 0.01)


@pytest.mark.parametrize(
    ("draw", "cdf"),
    [(jax.random.uniform, stats.uniform.cdf), (jax.random.normal, stats.norm.cdf)],
)
def test_numbers_are_distributed_as_they_should(draw, cdf):
    numbers = np.asarray(draw(key(), (5 * BLOCK + 7,)))
    assert stats.kstest(numbers, cdf).pvalue > 0.01


def test_one_generator_serves_all_shapes():
    def draws(key):
        return [jax.random.uniform(key, (n,)) for n in (1, 100, 5000, 70000)]

    text = jax.jit(draws).lower(key()).as_text()
    outputs = re.findall(r"stablehlo.rng_bit_generator.*-> .*tensor<(\w+)>\)", text)
    assert set(outputs) == {f"{BLOCK}xui32"}
