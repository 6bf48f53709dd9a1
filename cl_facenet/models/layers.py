"""The operations that Inception networks are made of, on NHWC arrays.

Padding is written out as in Torch: `padding` zeros on every side, output size
floor((n + 2 * padding - kernel) / stride) + 1.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

# Torch's default for convolutions and linear layers: U(+-1/sqrt(fan_in)).
torch_uniform = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")

EPSILON, MOMENTUM = 1e-5, 0.9  # of batch normalisation, Torch's


def _pad_space(x: jax.Array, padding: int, value: float = 0.0) -> jax.Array:
    border = (padding, padding)
    return jnp.pad(x, ((0, 0), border, border, (0, 0)), constant_values=value)


def _windows_along(
    x: jax.Array, axis: int, window: int, stride: int
) -> list[jax.Array]:
    """The `window` strided slices of x whose k-th holds element k of every window."""
    last = x.shape[axis] - window
    return [
        jax.lax.slice_in_dim(x, k, last + k + 1, stride, axis) for k in range(window)
    ]


def max_pool(x: jax.Array, window: int, stride: int, padding: int) -> jax.Array:
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


def l2_pool(x: jax.Array, window: int, stride: int, padding: int) -> jax.Array:
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


def conv(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
    """Cross-correlation [B, H, W, I] x [k, k, I, O] -> [B, H', W', O]."""
    if kernel.shape[:2] == (1, 1) and stride == 1 and padding == 0:
        # As a matrix product: its weight gradient is far faster on a CPU.
        return x @ kernel[0, 0]
    if kernel.shape[:2] == (3, 3) and stride == 1 and padding == 1:
        return _conv_3x3(x, kernel)
    is_even = x.shape[1] % 2 == x.shape[2] % 2 == 0
    if kernel.shape[:2] == (7, 7) and stride == 2 and padding == 3 and is_even:
        return _conv_7x7(x, kernel)
    return _native_conv(x, kernel, stride, padding)


def _native_conv(
    x: jax.Array, kernel: jax.Array, stride: int, padding: int
) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(stride, stride),
        padding=[(padding, padding)] * 2,
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


@jax.custom_vjp
def normalize(
    x: jax.Array, scale: jax.Array, bias: jax.Array, weight: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """ReLU of the batch-normalised x [B, H, W, C], and the batch's mean and variance.

    Ioffe and Szegedy 2015, algorithm 1, with epsilon 1e-5 and the gradient of section
    3 written out: one pass over the map where autodiff takes several. `weight` [B, 1,
    1, 1] is 1 for rows that count and 0 for padding. Statistics are float32 and
    two-pass: E[x^2] - E[x]^2 loses all digits where the mean is large.
    """
    return _normalize_forward(x, scale, bias, weight)[0]


def _normalize_forward(
    x: jax.Array, scale: jax.Array, bias: jax.Array, weight: jax.Array
) -> tuple[tuple[jax.Array, jax.Array, jax.Array], tuple[jax.Array, ...]]:
    count = _count(x, weight)
    mean = jnp.sum(x * weight, (0, 1, 2)) / count
    var = jnp.sum(jnp.square(x - mean) * weight, (0, 1, 2)) / count
    y = nn.relu((x - mean) * (scale * jax.lax.rsqrt(var + EPSILON)) + bias)
    return (y, mean, var), (x, y, mean, var, scale, weight)


def _normalize_backward(
    saved: tuple[jax.Array, ...], grads: tuple[jax.Array, jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array, jax.Array, None]:
    x, y, mean, var, scale, weight = saved
    grad = jnp.where(y > 0, grads[0], 0)  # the statistics are not differentiated
    inverse = jax.lax.rsqrt(var + EPSILON)
    x_hat = (x - mean) * inverse
    bias_grad = jnp.sum(grad, (0, 1, 2))
    scale_grad = jnp.sum(grad * x_hat, (0, 1, 2))
    through_batch = (bias_grad + x_hat * scale_grad) / _count(x, weight)
    return (
        (grad - weight * through_batch) * (scale * inverse),
        scale_grad,
        bias_grad,
        None,
    )


normalize.defvjp(_normalize_forward, _normalize_backward)


def _count(x: jax.Array, weight: jax.Array) -> jax.Array:
    """How many numbers of each channel count."""
    return jnp.maximum(weight.sum() * (x.shape[1] * x.shape[2]), 1.0)


class ConvBN(nn.Module):
    """Convolution, batch normalisation, ReLU: the unit of the Inception tables.

    [B, H, W, I] -> [B, H', W', features]; rows where mask [B] is False count for
    nothing. As in Torch, epsilon is 1e-5, running <- 0.9 running + 0.1 batch, and the
    batch is normalised by its biased variance while the running variance is unbiased.
    """

    features: int
    kernel: int
    stride: int = 1
    padding: int = 0

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, *, train: bool) -> jax.Array:
        x, conv_bias = Conv(
            self.features, self.kernel, self.stride, self.padding, name="conv"
        )(x)
        return BatchNormReLU(name="bn")(x, conv_bias, mask, train=train)


class Conv(nn.Module):
    """A convolution and its bias, not yet added: BatchNormReLU takes care of that."""

    features: int
    kernel: int
    stride: int
    padding: int

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        shape = (self.kernel, self.kernel, x.shape[-1], self.features)
        kernel = self.param("kernel", torch_uniform, shape)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
        return conv(x, kernel, self.stride, self.padding), bias


class BatchNormReLU(nn.Module):
    """Batch normalisation of x + conv_bias, then ReLU.

    In training the bias cancels against the batch's mean and is left out of the map;
    it is in the running mean, so that parameters and statistics mean what they do in
    Torch.
    """

    @nn.compact
    def __call__(
        self, x: jax.Array, conv_bias: jax.Array, mask: jax.Array, *, train: bool
    ) -> jax.Array:
        size = (x.shape[-1],)
        scale = self.param("scale", nn.initializers.ones_init(), size)
        bias = self.param("bias", nn.initializers.zeros_init(), size)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, size)
        running_var = self.variable("batch_stats", "var", jnp.ones, size)
        if not train:
            factor = scale * jax.lax.rsqrt(running_var.value + EPSILON)
            return nn.relu(
                x * factor + (bias + (conv_bias - running_mean.value) * factor)
            )
        weight = mask.astype(jnp.float32)[:, None, None, None]
        y, mean, var = normalize(x, scale, bias, weight)
        if not self.is_initializing():
            count = _count(x, weight)
            unbiased = var * (count / jnp.maximum(count - 1, 1))
            mean = mean + jax.lax.stop_gradient(conv_bias)
            running_mean.value = MOMENTUM * running_mean.value + (1 - MOMENTUM) * mean
            running_var.value = MOMENTUM * running_var.value + (1 - MOMENTUM) * unbiased
        return y
