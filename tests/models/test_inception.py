"""One Inception block: its branches and how they are put side by side."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cl_facenet.models.graphs import GRAPHS, OPENFACE, OPENFACE_RELEASED
from cl_facenet.models.inception import InceptionBlock, Row
from cl_facenet.models.rows import Rows

MASK = np.ones(2, bool)


def test_a_smaller_pooled_map_lies_in_the_middle_of_zeros():
    """Block 3b: its L2 pool gives 10x10, which the 12x12 block pads by one."""
    block = InceptionBlock(Row("3b", 8, (4, 8), None, "l2", 5), OPENFACE)
    x = jax.random.uniform(jax.random.key(0), (2, 12, 12, 6)) + 0.1
    rows = Rows(jnp.ones(2, bool))
    variables = block.init(jax.random.key(1), x, rows, train=False)
    bias = variables["params"]["branch_pool"]["project"]["bn"]["bias"]
    variables["params"]["branch_pool"]["project"]["bn"]["bias"] = bias + 100
    pooled = block.apply(variables, x, rows, train=False)[..., 8:13]  # behind the 3x3
    inside = np.zeros((12, 12), bool)
    inside[1:11, 1:11] = True
    assert (pooled[:, inside] > 0).all()
    assert (pooled[:, ~inside] == 0).all()


def test_the_odd_row_of_zeros_is_behind():
    """Block 3a as released: 12 is pooled to 5, with 3 zeros before and 4 after."""
    block = InceptionBlock(
        Row("3a", None, (4, 8), None, "max", None), OPENFACE_RELEASED
    )
    y, _ = block.init_with_output(
        jax.random.key(0), jnp.ones((2, 12, 12, 6)), MASK, train=False
    )
    np.testing.assert_array_equal(y[0, :, 5, 8], [0] * 3 + [1] * 5 + [0] * 4)


@pytest.mark.parametrize(
    ("graph", "name", "order"),
    [
        ("openface", "5a", ("3x3", "5x5", "pool", "1x1")),
        ("openface_released", "5b", ("3x3", "5x5", "pool", "1x1")),
        ("dl4j", "4a", ("3x3", "5x5", "pool", "1x1")),
        ("dl4j", "5a", ("1x1", "3x3", "5x5", "pool")),
        ("dl4j", "5b", ("1x1", "3x3", "5x5", "pool")),
    ],
)
def test_the_order_of_the_branches(graph, name, order):
    """Seen by giving each branch another batch-norm bias, and number of channels."""
    block = InceptionBlock(Row(name, 2, (2, 3), (2, 4), "max", 5), GRAPHS[graph])
    x = jnp.zeros((2, 6, 6, 7))
    variables = block.init(jax.random.key(0), x, MASK, train=False)
    channels = {"3x3": 3, "5x5": 4, "pool": 5, "1x1": 2}
    last = {"3x3": "expand", "5x5": "expand", "pool": "project"}
    for branch, number in channels.items():
        unit = variables["params"][f"branch_{branch}"]
        unit = unit[last[branch]] if branch in last else unit
        unit["bn"] = {
            "scale": jnp.zeros(number),
            "bias": jnp.full(number, float(number)),
        }
    y = block.apply(variables, x, MASK, train=False)
    expected = [channels[branch] for branch in order for _ in range(channels[branch])]
    np.testing.assert_allclose(y[0, 2, 2], expected)


def test_a_block_of_stride_two_halves_the_map_and_pools_without_projection():
    block = InceptionBlock(Row("x", None, (2, 3), (2, 4), "max", None, 2), OPENFACE)
    x = jax.random.uniform(jax.random.key(0), (2, 12, 12, 7))
    y, variables = block.init_with_output(jax.random.key(1), x, MASK, train=False)
    assert y.shape == (2, 6, 6, 3 + 4 + 7)
    assert "branch_pool" not in variables["params"]
    assert (y[..., 7:] >= x[:, ::2, ::2]).all()
