"""JAX's primitives in ONNX: they compute the same, or are refused by name."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from export.embedders import embedder_of, run

from cl_facenet.errors import InputError
from cl_facenet.export.onnx import to_onnx
from cl_facenet.models.operations.padding import pad_space, windows_along
from cl_facenet.models.operations.pools import l2_pool

COLORS = np.array([[0.5, 1.0], [-1.0, 2.0], [0.25, -2.0]], np.float32)
TWO = np.array([2.0, 3.0], np.float32)


def _sums(x, axis, window, stride):
    return sum(windows_along(x, axis, window, stride))


def _padded(x):
    return pad_space(x, ((2, 1), (0, 3)))


def _root(x):
    return jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1.0)), 0.0)


# Of images [B, 32, 32, 3] in [0, 1].
FUNCTIONS = {
    "sum of channels": lambda x: x.sum(3),
    "sum of places": lambda x: x.sum((1, 2)),
    "padding": lambda x: jnp.pad(x, ((0, 0), (1, 0), (0, 2), (2, 1))),
    "a number a place": lambda x: x * np.random.default_rng(0).random((32, 32, 3)),
    "a number a channel": lambda x: (1 - x) * 2 - jnp.array([1.0, 2.0, 3.0]),
    "a new axis": lambda x: x.sum((1, 2, 3))[:, None] * TWO,
    "flattening": lambda x: x.reshape(len(x), 96, 32).sum(2),
    "product of vectors": lambda x: (x.sum((1, 2)) @ COLORS - TWO) * TWO + 1,
    "product of channels": lambda x: (x @ COLORS + 1) * TWO / 4,
    "a product read twice": lambda x: (y := x @ COLORS) * 2 + nn.relu(y),
    "choice": lambda x: jnp.where(x > 0.5, x, -1.0),
    "windows": lambda x: _sums(x, 2, 5, 3),
    "windows of channels": lambda x: _sums(x, 3, 2, 1),
    "windows of squares": lambda x: _sums(_sums(_padded(x), 1, 3, 2), 2, 3, 2),
    "windows of windows": lambda x: _sums(_sums(_padded(x), 1, 3, 2), 1, 4, 1),
    "not all windows": lambda x: x[:, 1:28] + x[:, 2:29] + x[:, 3:30],
    "windows with holes": lambda x: x[:, :-2] + x[:, 2:],
    "a window twice": lambda x: (x[:, :-1] + x[:, 1:]) * x[:, 1:] + x[:, :-1],
    "split": lambda x: jnp.concatenate(jnp.split(x, [1, 2], -1)[::-1], -1),
    "a part of a product": lambda x: jnp.split(nn.relu(x @ COLORS - 1), 2, -1)[1],
    "root": lambda x: _root(x - 0.5),
    "L2 pool": lambda x: l2_pool(x - 0.5, 2, 2, 1),
    "another bound": lambda x: jnp.where(x > 0.7, jnp.sqrt(x), 0.0),
    "PReLU": lambda x: nn.relu(x - 0.5) - 0.25 * nn.relu(0.5 - x),
    "PReLU of a product": lambda x: nn.relu(y := x @ COLORS) - TWO * nn.relu(-y),
    "no PReLU": lambda x: nn.relu(x - 0.5) - 0.25 * nn.relu(-x - 0.1),
}


@pytest.fixture
def embedder(tiny):
    return embedder_of("tiny", "openface", 32)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_computes_what_jax_does(name, embedder):
    def apply(params, images):
        y = FUNCTIONS[name](images.astype(jnp.float32) / 255)
        return y.reshape(len(y), -1)

    embedder.apply = apply
    images = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    values = run(to_onnx(embedder), images)
    expected = jax.jit(apply)(None, images)
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (lambda x: jnp.sort(x), "sort is not translated at all"),
        (lambda x: x[::-1], "rev is not translated at all"),
        (lambda x: x.sum(0), "reduce_sum is not translated over images"),
        (lambda x: x.sum(1), "reduce_sum .* over some of rows and columns"),
        (lambda x: x[:3], "slice .* but along rows, columns or channels"),
        (lambda x: x.reshape(-1, 6), "reshape .* across images"),
        (lambda x: x.reshape(len(x), 16, 64, 3), "reshape .* to a map"),
        (lambda x: x.sum((1, 2, 3))[None], "broadcast_in_dim .* but to new axes"),
        (lambda x: x + jnp.arange(7.0)[:, None, None, None], "constant an image"),
        (lambda x: jnp.concatenate([x, np.ones((7, 1, 32, 3))], 1), "with constants"),
        (lambda x: jnp.vecdot(x, x), "dot_general .* of more than one input"),
    ],
)
def test_what_has_no_translation_is_named(apply, message, embedder):
    embedder.apply = lambda params, images: apply(images.astype(jnp.float32))
    with pytest.raises(InputError, match=f"JAX's primitive .*{message}") as error:
        to_onnx(embedder)
    assert "\n" not in str(error.value)
