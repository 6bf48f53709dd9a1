"""One Inception block: its branches and how they are put side by side."""

import jax
import jax.numpy as jnp
import numpy as np

from cl_facenet.models.inception import InceptionBlock, Row

MASK = np.ones(2, bool)


def test_a_smaller_pooled_map_lies_in_the_middle_of_zeros():
    """Block 3b: its L2 pool gives 10x10, which the 12x12 block pads by one."""
    block = InceptionBlock(Row("3b", 8, (4, 8), None, "l2", 5))
    x = jax.random.uniform(jax.random.key(0), (2, 12, 12, 6)) + 0.1
    mask = jnp.ones(2, bool)
    variables = block.init(jax.random.key(1), x, mask, train=False)
    bias = variables["params"]["branch_pool"]["project"]["bn"]["bias"]
    variables["params"]["branch_pool"]["project"]["bn"]["bias"] = bias + 100
    pooled = block.apply(variables, x, mask, train=False)[..., 8:13]  # behind the 3x3
    inside = np.zeros((12, 12), bool)
    inside[1:11, 1:11] = True
    assert (pooled[:, inside] > 0).all()
    assert (pooled[:, ~inside] == 0).all()


def test_the_order_of_the_branches_is_that_of_dpnn():
    """3x3, 5x5, pool, 1x1: seen by giving each branch another batch-norm bias."""
    block = InceptionBlock(Row("x", 1, (2, 3), (2, 4), "max", 5))
    x = jnp.zeros((2, 6, 6, 7))
    variables = block.init(jax.random.key(0), x, MASK, train=False)
    last = {"branch_3x3": "expand", "branch_5x5": "expand", "branch_pool": "project"}
    for value, name in enumerate(("branch_3x3", "branch_5x5", "branch_pool"), start=1):
        bn = variables["params"][name][last[name]]["bn"]
        bn["bias"] = jnp.full_like(bn["bias"], value)
    bn = variables["params"]["branch_1x1"]["bn"]
    bn["bias"] = jnp.full_like(bn["bias"], 4)
    y = block.apply(variables, x, MASK, train=False)
    np.testing.assert_allclose(y[0, 0, 0], [1] * 3 + [2] * 4 + [3] * 5 + [4])


def test_a_block_of_stride_two_halves_the_map_and_pools_without_projection():
    block = InceptionBlock(Row("x", None, (2, 3), (2, 4), "max", None, 2))
    x = jax.random.uniform(jax.random.key(0), (2, 12, 12, 7))
    y, variables = block.init_with_output(jax.random.key(1), x, MASK, train=False)
    assert y.shape == (2, 6, 6, 3 + 4 + 7)
    assert "branch_pool" not in variables["params"]
    assert (y[..., 7:] >= x[:, ::2, ::2]).all()
