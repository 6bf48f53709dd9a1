"""Each operation against its definition in float64 loops, or against lax."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cl_facenet.models.operations.batch_norm import normalize
from cl_facenet.models.operations.convolution import conv, plain_conv
from cl_facenet.models.operations.lengths import l2_normalize, l2_normalize_above
from cl_facenet.models.operations.padding import same_padding
from cl_facenet.models.operations.pools import l2_pool, max_pool, plain_max_pool
from cl_facenet.models.operations.response_norm import local_response_norm

few = settings(max_examples=8)  # each is compiled

sizes = st.sampled_from([5, 8])
seeds = st.integers(0, 99)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def windows(x, window, stride, padding, value):
    """Every (row, column, [B, window, window, C]) of a padded array."""
    border = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    x = np.pad(x.astype(np.float64), border, constant_values=value)
    for i, top in enumerate(range(0, x.shape[1] - window + 1, stride)):
        for j, left in enumerate(range(0, x.shape[2] - window + 1, stride)):
            yield i, j, x[:, top : top + window, left : left + window]


@few
@given(seeds, sizes, sizes, st.sampled_from([(1, 1), (2, 1), (2, 0)]))
def test_max_pool_is_the_maximum_of_every_window(seed, height, width, geometry):
    stride, padding = geometry
    x = normal(seed, 2, height, width, 3)
    pooled = max_pool(x, 3, stride, padding)
    for i, j, window in windows(x, 3, stride, padding, -np.inf):
        np.testing.assert_allclose(pooled[:, i, j], window.max((1, 2)))
    assert pooled.shape[1] == (height + 2 * padding - 3) // stride + 1


def value_and_gradients(f, *args):
    """f's, the latter of a sum with weights that are all different, in float64."""
    with jax.enable_x64(True):
        args = [np.asarray(x, np.float64) for x in args]
        out = normal(99, *jax.eval_shape(f, *args).shape).astype(np.float64)
        numbers = tuple(range(len(args)))
        gradients = jax.jit(jax.grad(lambda *xs: jnp.sum(f(*xs) * out), numbers))
        return jax.jit(f)(*args), *gradients(*args)


def assert_same(f, plain, *args):
    for our, their in zip(
        value_and_gradients(f, *args), value_and_gradients(plain, *args), strict=True
    ):
        assert our.dtype == np.float64
        np.testing.assert_allclose(our, their, rtol=1e-10, atol=1e-10)


@few
@given(
    seeds,
    st.sampled_from([(3, 1), (3, 2), (2, 2), (3, 3), (5, 2)]),
    st.sampled_from([0, 1, ((0, 1), (0, 1)), ((1, 0), (0, 2))]),
    st.booleans(),
)
def test_max_pool_sends_its_gradient_where_its_definition_does(
    seed, geometry, padding, ties
):
    """To the first of equal ones, row after row, as XLA's select-and-scatter."""
    x = normal(seed, 2, 7 + seed % 3, 6 + seed % 5, 3)
    if ties:
        x = np.maximum(np.round(x), 0)
    window, stride = geometry
    args = {"window": window, "stride": stride, "padding": padding}
    np.testing.assert_array_equal(max_pool(x, **args), plain_max_pool(x, **args))
    assert_same(partial(max_pool, **args), partial(plain_max_pool, **args), x)


def test_max_pool_lets_nothing_undefined_pass():
    x = np.zeros((1, 4, 4, 1), np.float32)
    x[0, 1, 2, 0] = np.nan
    assert np.isnan(max_pool(x, 3, 1, 1)).sum() == 9


@pytest.mark.parametrize("platform", ["cpu", "tpu", "cuda"])
def test_platforms_but_a_cpu_run_the_definitions(platform):
    """No select-and-scatter on a CPU; only lax's own operations elsewhere."""

    def f(x, kernel):
        return jnp.sum(max_pool(conv(x, kernel, 2, 1), 3, 2, 1))

    args = (jnp.ones((8, 12, 12, 3)), jnp.ones((3, 3, 3, 4)))
    traced = jax.jit(jax.grad(f, (0, 1))).trace(*args)
    text = traced.lower(lowering_platforms=(platform,)).as_text()
    assert ("select_and_scatter" in text) == (platform != "cpu")
    assert ("lhs_dilate = [2, 2]" in text) == (platform != "cpu")


@few
@given(seeds, sizes, sizes, st.sampled_from([(1, 0), (1, 1), (3, 0)]))
def test_l2_pool_is_the_length_of_every_window(seed, height, width, geometry):
    stride, padding = geometry
    x = normal(seed, 2, height, width, 3)
    pooled = l2_pool(x, 3, stride, padding)
    for i, j, window in windows(x, 3, stride, padding, 0.0):
        lengths = np.sqrt(np.square(window).sum((1, 2)))
        np.testing.assert_allclose(pooled[:, i, j], lengths, rtol=1e-5)


def test_l2_pool_of_ones_is_three():
    """It is neither an average (1) nor a sum (9): facts of Torch's SpatialLPPooling."""
    assert l2_pool(jnp.ones((1, 3, 3, 1)), 3, 1, 0).item() == 3


def test_l2_pool_of_nothing_has_gradient_zero():
    gradient = jax.grad(lambda x: l2_pool(x, 3, 1, 0).sum())(jnp.zeros((1, 4, 4, 1)))
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [
        (1e-4 / 5, [0.999790, 1.999100, 2.997527, 3.994608, 4.993560, 5.993079]),
        (1e-4, [0.998951, 1.995512, 2.987684, 3.973211, 4.967991, 5.965582]),
    ],
    ids=["torch", "dl4j"],
)
def test_local_response_norm_of_one_to_six(alpha, expected):
    channels = jnp.arange(1.0, 7.0)
    np.testing.assert_allclose(
        local_response_norm(channels, alpha), expected, atol=1e-6
    )


@few
@given(seeds, st.sampled_from([1, 4, 8]))
def test_local_response_norm_against_loops(seed, channels):
    x = 100 * normal(seed, 2, 3, channels)
    y = local_response_norm(x)
    for c in range(channels):
        near = x[..., max(c - 2, 0) : c + 3].astype(np.float64)
        scale = 1 + 2e-5 * np.square(near).sum(-1)
        np.testing.assert_allclose(y[..., c], x[..., c] * scale**-0.75, rtol=2e-5)


def test_l2_normalize_gives_unit_rows_and_survives_zero():
    x = jnp.array([[3.0, 4.0], [0.0, 0.0]])
    unit = l2_normalize(x)
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0, 0]], rtol=1e-6)
    assert jnp.isfinite(jax.grad(lambda x: l2_normalize(x).sum())(x)).all()


@pytest.mark.parametrize("floor", [1e-6, 1e-12])
def test_l2_normalize_above_divides_by_no_less_than_its_floor(floor):
    x = jnp.array([[3.0, 4.0], [0.0, 0.0], [0.3 * floor, 0.4 * floor]])
    unit = l2_normalize_above(x, floor)
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0, 0], [0.3, 0.4]], rtol=1e-5)
    gradient = jax.grad(lambda x: l2_normalize_above(x, floor).sum())(x)
    assert jnp.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [(1, 1, 0), (3, 1, 1), (3, 2, 1), (5, 2, 2), (7, 2, 3)],
)
def test_conv_against_loops(kernel, stride, padding):
    x, weights = normal(0, 2, 9, 8, 3), normal(1, kernel, kernel, 3, 4)
    y = conv(x, weights, stride, padding)
    for i, j, window in windows(x, kernel, stride, padding, 0.0):
        expected = np.einsum("bhwi,hwio->bo", window, weights)
        np.testing.assert_allclose(y[:, i, j], expected, rtol=1e-4, atol=1e-4)


def plain_local_response_norm(x, alpha):
    """Its definition, for autodiff."""
    squares = jnp.pad(jnp.square(x), [(0, 0)] * (x.ndim - 1) + [(2, 2)])
    total = sum(squares[..., k : k + x.shape[-1]] for k in range(5))
    return x * (1 + alpha * total) ** -0.75


@few
@given(seeds, st.sampled_from([1, 4, 8]), st.sampled_from([2e-5, 1e-2]))
def test_local_response_norm_has_the_gradient_of_its_definition(seed, channels, alpha):
    x = 10 * normal(seed, 2, 3, channels)
    ours, plain = (
        partial(f, alpha=alpha)
        for f in (local_response_norm, plain_local_response_norm)
    )
    out = normal(seed + 1, 2, 3, channels)
    our, their = (
        jax.grad(lambda x, f=f: jnp.sum(f(x) * out))(x) for f in (ours, plain)
    )
    np.testing.assert_allclose(our, their, rtol=1e-4, atol=1e-5)
    assert_same(ours, plain, x)


@pytest.mark.parametrize(
    "padding_of", [lambda k: k // 2, lambda k: 0, lambda k: ((0, 1), (2, k // 2))]
)
@pytest.mark.parametrize(
    ("kernel", "stride", "shape"),
    [
        *((kernel, 1, (2, 9, 8)) for kernel in (1, 3)),
        *((kernel, 2, (2, 9, 8)) for kernel in (1, 2, 3, 5, 7)),
        *((kernel, 3, (3, 7, 11)) for kernel in (1, 3, 5)),
        *((3, 2, (1, size, 3)) for size in (1, 2, 3)),
    ],
)
def test_conv_has_the_gradient_of_its_definition(kernel, stride, shape, padding_of):
    x, weights = normal(0, *shape, 3), normal(1, kernel, kernel, 3, 4)
    args = {"stride": stride, "padding": padding_of(kernel)}
    assert_same(partial(conv, **args), partial(plain_conv, **args), x, weights)


def plain_normalize(x, scale, bias, weight, epsilon):
    """Ioffe and Szegedy, algorithm 1, and a ReLU, for autodiff."""
    count = jnp.sum(weight) * x.shape[1] * x.shape[2]
    mean = jnp.sum(x * weight, (0, 1, 2)) / count
    var = jnp.sum((x - mean) ** 2 * weight, (0, 1, 2)) / count
    return jnp.maximum((x - mean) / jnp.sqrt(var + epsilon) * scale + bias, 0)


@pytest.mark.parametrize("epsilon", [1e-5, 1e-1])
@pytest.mark.parametrize("padded", [0, 2])
def test_normalize_has_the_value_and_gradient_of_its_definition(padded, epsilon):
    x, scale, bias = normal(0, 6, 3, 2, 5), normal(1, 5), normal(2, 5)
    weight = (np.arange(6) < 6 - padded).astype(np.float64)[:, None, None, None]
    out = normal(3, 6, 3, 2, 5) * weight  # no loss looks at padded rows

    def value(f):
        return lambda *args: jnp.sum(f(*args, weight, epsilon) * out)

    ours = jax.value_and_grad(
        value(lambda *args: normalize(*args)[0]), argnums=(0, 1, 2)
    )(x, scale, bias)
    theirs = jax.value_and_grad(value(plain_normalize), argnums=(0, 1, 2))(
        x, scale, bias
    )
    for our, their in zip(*map(jax.tree.leaves, (ours, theirs)), strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-4, atol=1e-4)
    assert_same(
        lambda *args: normalize(*args, weight, epsilon)[0] * weight,
        lambda *args: plain_normalize(*args, weight, epsilon) * weight,
        *(x, scale, bias),
    )


@pytest.mark.parametrize(
    ("size", "window", "stride", "pair"),
    [(96, 7, 2, (2, 3)), (48, 3, 2, (0, 1)), (12, 3, 1, (1, 1)), (5, 1, 2, (0, 0))],
)
def test_same_padding_puts_the_odd_one_after(size, window, stride, pair):
    """The pads of the dl4j graph, as facts of its ConvolutionMode.Same."""
    assert same_padding(size, 8, window, stride)[0] == pair


@few
@given(st.integers(1, 20), st.sampled_from([1, 2, 3, 5, 7]), st.integers(1, 3))
def test_same_padding_gives_the_size_over_the_stride(size, window, stride):
    (before, after), _ = same_padding(size, 1, window, stride)
    assert (size + before + after - window) // stride + 1 == -(-size // stride)
