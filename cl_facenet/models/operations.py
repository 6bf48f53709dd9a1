"""The operations that the networks are made of, on NHWC arrays: pure functions.

Padding is written out as in Torch: so many rows and columns on every side, or pairs
(before, after) of rows and of columns; output size
floor((n + before + after - kernel) / stride) + 1.
"""

from functools import partial

import jax
import jax.numpy as jnp

EPSILON = 1e-5  # of batch normalisation, Torch's

Pairs = tuple[tuple[int, int], tuple[int, int]]  # (top, bottom), (left, right)
Padding = int | Pairs


def same_padding(height: int, width: int, window: int, stride: int) -> Pairs:
    """What makes ceil(n / stride) of n, the odd one after ("Same" of DL4J and TF)."""

    def pair(n: int) -> tuple[int, int]:
        total = max((-(-n // stride) - 1) * stride + window - n, 0)
        return total // 2, total - total // 2

    return pair(height), pair(width)


def _pairs(padding: Padding) -> Pairs:
    return ((padding,) * 2,) * 2 if isinstance(padding, int) else padding


def _pad_space(x: jax.Array, padding: Padding, value: float = 0.0) -> jax.Array:
    return jnp.pad(x, ((0, 0), *_pairs(padding), (0, 0)), constant_values=value)


def _windows_along(
    x: jax.Array, axis: int, window: int, stride: int
) -> list[jax.Array]:
    """The `window` strided slices of x whose k-th holds element k of every window."""
    last = x.shape[axis] - window
    return [
        jax.lax.slice_in_dim(x, k, last + k + 1, stride, axis) for k in range(window)
    ]


def max_pool(x: jax.Array, window: int, stride: int, padding: Padding) -> jax.Array:
    """Maximum over square windows: [B, H, W, C] -> [B, H', W', C].

    Taken along rows, then along columns, over shifted slices: on a CPU the gradient
    of `lax.reduce_window` (select-and-scatter) is several times slower.
    """
    x = _pad_space(x, padding, -jnp.inf)
    for axis in (1, 2):
        first, *others = _windows_along(x, axis, window, stride)
        for other in others:
            first = jnp.maximum(first, other)
        x = first
    return x


def l2_pool(x: jax.Array, window: int, stride: int, padding: Padding) -> jax.Array:
    """Root of the sum of squares over square windows (Torch's SpatialLPPooling, p=2).

    An all-zero window has value and gradient zero.
    """
    total = _pad_space(jnp.square(x), padding)
    for axis in (1, 2):
        total = sum(_windows_along(total, axis, window, stride), start=jnp.zeros(()))
    nonzero = total > 0
    # The inner `where` keeps the infinite slope of sqrt at 0 out of the gradient.
    return jnp.where(nonzero, jnp.sqrt(jnp.where(nonzero, total, 1.0)), 0.0)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def local_response_norm(x: jax.Array, alpha: float = 1e-4 / 5) -> jax.Array:
    """x_c * (1 + alpha * sum_{|j - c| <= 2} x_j^2)^-0.75 over channels, the last axis.

    Krizhevsky et al. 2012, section 3.3, with window 5 and k = 1. `alpha` is Torch's
    (nn.SpatialCrossMapLRN), already divided by the window. The gradient is written
    out: autodiff goes over the map once for each of the five places in a window.
    """
    return _lrn_forward(x, alpha)[0]


def _lrn_forward(
    x: jax.Array, alpha: float
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    d = 1 + alpha * _sum_over_channels(jnp.square(x))
    return x * _power(d), (x, d)


def _lrn_backward(
    alpha: float, saved: tuple[jax.Array, jax.Array], grad: jax.Array
) -> tuple[jax.Array]:
    x, d = saved
    scale = _power(d)
    shared = _sum_over_channels(grad * x * scale / d)
    return (grad * scale - (2 * 0.75 * alpha) * x * shared,)


local_response_norm.defvjp(_lrn_forward, _lrn_backward)


def _sum_over_channels(x: jax.Array) -> jax.Array:
    """For each channel the sum over it and two on either side."""
    pad = [(0, 0)] * (x.ndim - 1) + [(2, 2)]
    return sum(_windows_along(jnp.pad(x, pad), x.ndim - 1, 5, 1), start=jnp.zeros(()))


def _power(d: jax.Array) -> jax.Array:
    """d^-0.75 as d^-1/2 * d^-1/4, without a pow."""
    inverse_root = jax.lax.rsqrt(d)
    return inverse_root * jnp.sqrt(inverse_root)


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


def conv(x: jax.Array, kernel: jax.Array, stride: int, padding: Padding) -> jax.Array:
    """Cross-correlation [B, H, W, I] x [k, l, I, O] -> [B, H', W', O]."""
    padding = _pairs(padding)
    if kernel.shape[:2] == (1, 1) and stride == 1 and padding == _pairs(0):
        # As a matrix product: its weight gradient is far faster on a CPU.
        return x @ kernel[0, 0]
    if kernel.shape[:2] == (3, 3) and stride == 1 and padding == _pairs(1):
        return _conv_3x3(x, kernel)
    is_even = x.shape[1] % 2 == x.shape[2] % 2 == 0
    if kernel.shape[:2] == (7, 7) and stride == 2 and padding == _pairs(3) and is_even:
        return _conv_7x7(x, kernel)
    return _native_conv(x, kernel, stride, padding)


def _native_conv(
    x: jax.Array, kernel: jax.Array, stride: int, padding: Padding
) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(stride, stride),
        padding=_pairs(padding),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


@jax.custom_vjp
def _conv_3x3(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The 3x3 convolution that keeps the size, with a weight gradient of its own.

    That is one matrix product a tap: XLA's, a convolution with a kernel as large as
    the map, is three times slower on a CPU.
    """
    return _native_conv(x, kernel, 1, 1)


def _conv_3x3_forward(
    x: jax.Array, kernel: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _native_conv(x, kernel, 1, 1), (x, kernel)


def _conv_3x3_backward(
    saved: tuple[jax.Array, jax.Array], grad: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    _, pull_back = jax.vjp(lambda x: _native_conv(x, kernel, 1, 1), x)
    height, width = x.shape[1:3]
    padded = _pad_space(x, 1)
    taps = [
        jnp.tensordot(padded[:, i : i + height, j : j + width], grad, ([0, 1, 2],) * 2)
        for i in range(3)
        for j in range(3)
    ]
    return *pull_back(grad), jnp.stack(taps).reshape(kernel.shape)


_conv_3x3.defvjp(_conv_3x3_forward, _conv_3x3_backward)


@jax.custom_vjp
def _conv_7x7(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The 7x7 convolution with stride 2 of even maps; its weight gradient is our own.

    That is four matrix products: with every 2x2 square of pixels as one of four times
    the channels, the stride is 1 and the kernel 4x4; the columns of its windows are put
    side by side. XLA's is several times slower on a CPU.
    """
    return _native_conv(x, kernel, 2, 3)


def _conv_7x7_forward(
    x: jax.Array, kernel: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _native_conv(x, kernel, 2, 3), (x, kernel)


def _conv_7x7_backward(
    saved: tuple[jax.Array, jax.Array], grad: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    _, pull_back = jax.vjp(lambda x: _native_conv(x, kernel, 2, 3), x)
    height, width = grad.shape[1:3]
    channels = x.shape[-1]
    split = (len(x), height + 3, 2, width + 3, 2, channels)
    squares = _pad_space(x, 3).reshape(split).swapaxes(2, 3)
    squares = squares.reshape(len(x), height + 3, width + 3, 4 * channels)
    columns = jnp.concatenate(_windows_along(squares, 2, 4, 1), -1)
    rows = [
        jnp.tensordot(row, grad, ([0, 1, 2],) * 2)
        for row in _windows_along(columns, 1, 4, 1)
    ]
    taps = jnp.stack(rows).reshape(4, 4, 2, 2, channels, -1).swapaxes(1, 2)
    return *pull_back(grad), taps.reshape(8, 8, channels, -1)[:7, :7]


_conv_7x7.defvjp(_conv_7x7_forward, _conv_7x7_backward)


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def normalize(
    x: jax.Array,
    scale: jax.Array,
    bias: jax.Array,
    weight: jax.Array,
    epsilon: float = EPSILON,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """ReLU of the batch-normalised x [B, H, W, C], and the batch's mean and variance.

    Ioffe and Szegedy 2015, algorithm 1, with the gradient of section 3 written out: one
    pass over the map where autodiff takes several. `weight` [B, 1, 1, 1] is 1 for rows
    that count and 0 for padding. Statistics are float32 and two-pass: E[x^2] - E[x]^2
    loses all digits where the mean is large.
    """
    return _normalize_forward(x, scale, bias, weight, epsilon)[0]


def _normalize_forward(
    x: jax.Array,
    scale: jax.Array,
    bias: jax.Array,
    weight: jax.Array,
    epsilon: float,
) -> tuple[tuple[jax.Array, jax.Array, jax.Array], tuple[jax.Array, ...]]:
    count = count_values(x, weight)
    mean = jnp.sum(x * weight, (0, 1, 2)) / count
    var = jnp.sum(jnp.square(x - mean) * weight, (0, 1, 2)) / count
    y = jax.nn.relu((x - mean) * (scale * jax.lax.rsqrt(var + epsilon)) + bias)
    return (y, mean, var), (x, y, mean, var, scale, weight)


def _normalize_backward(
    epsilon: float,
    saved: tuple[jax.Array, ...],
    grads: tuple[jax.Array, jax.Array, jax.Array],
) -> tuple[jax.Array, jax.Array, jax.Array, None]:
    x, y, mean, var, scale, weight = saved
    grad = jnp.where(y > 0, grads[0], 0)  # the statistics are not differentiated
    inverse = jax.lax.rsqrt(var + epsilon)
    x_hat = (x - mean) * inverse
    bias_grad = jnp.sum(grad, (0, 1, 2))
    scale_grad = jnp.sum(grad * x_hat, (0, 1, 2))
    through_batch = (bias_grad + x_hat * scale_grad) / count_values(x, weight)
    return (
        (grad - weight * through_batch) * (scale * inverse),
        scale_grad,
        bias_grad,
        None,
    )


normalize.defvjp(_normalize_forward, _normalize_backward)


def count_values(x: jax.Array, weight: jax.Array) -> jax.Array:
    """How many numbers of each channel count."""
    return jnp.maximum(weight.sum() * (x.shape[1] * x.shape[2]), 1.0)
