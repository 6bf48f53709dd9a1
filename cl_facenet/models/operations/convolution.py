"""Convolution, [B, H, W, I] x [k, l, I, O] -> [B, H', W', O].

On a CPU the gradient to the kernel is our own where XLA's, a convolution with a kernel
as large as the map, is several times slower: a sum of matrix products over images,
rows and columns.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from cl_facenet.models.operations.padding import (
    Padding,
    pad_space,
    pairs,
    windows_along,
)
from cl_facenet.models.operations.platforms import by_platform

# Products over part of a batch at a time stay in the cache; from this height on the
# maps of a whole batch do not.
CHUNKS, LARGE = 8, 12


def conv(x: jax.Array, kernel: jax.Array, stride: int, padding: Padding) -> jax.Array:
    """Cross-correlation with written-out padding."""
    plain = partial(plain_conv, stride=stride, padding=padding)
    height, width = x.shape[1:3]
    geometry = (*kernel.shape[:2], stride, pairs(padding))
    if geometry == (1, 1, 1, pairs(0)):
        return by_platform(_product, plain)(x, kernel)
    if geometry == (3, 3, 1, pairs(1)):
        return by_platform(_conv_3x3, plain)(x, kernel)
    if geometry == (7, 7, 2, pairs(3)) and height % 2 == width % 2 == 0:
        return by_platform(_conv_7x7, plain)(x, kernel)
    return plain(x, kernel)


def plain_conv(
    x: jax.Array, kernel: jax.Array, stride: int, padding: Padding
) -> jax.Array:
    """The definition of `conv`."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(stride, stride),
        padding=pairs(padding),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A 1x1 convolution as the matrix product that it is."""
    return x @ kernel[0, 0]


KernelGradient = Callable[[jax.Array, jax.Array], jax.Array]


def _with_kernel_gradient(
    stride: int, padding: int, kernel_gradient: KernelGradient
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """`plain_conv` with a gradient to the kernel of its own: (x, grad) -> grad."""

    @jax.custom_vjp
    def run(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return plain_conv(x, kernel, stride, padding)

    def forward(
        x: jax.Array, kernel: jax.Array
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        return run(x, kernel), (x, kernel)

    def backward(
        saved: tuple[jax.Array, jax.Array], grad: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        x, kernel = saved
        _, pull_back = jax.vjp(lambda x: plain_conv(x, kernel, stride, padding), x)
        return *pull_back(grad), _in_chunks(kernel_gradient, x, grad)

    run.defvjp(forward, backward)
    return run


def _in_chunks(
    kernel_gradient: KernelGradient, x: jax.Array, grad: jax.Array
) -> jax.Array:
    """The sum of a kernel's gradient over a batch, part after part of it."""
    batch, height = grad.shape[:2]
    if height < LARGE or batch % CHUNKS:
        return kernel_gradient(x, grad)
    split = (CHUNKS, batch // CHUNKS)
    parts = (
        x.reshape(split + x.shape[1:]),
        grad.reshape(split + grad.shape[1:]),
    )
    like = jax.eval_shape(kernel_gradient, parts[0][0], parts[1][0])

    def add(
        total: jax.Array, part: tuple[jax.Array, jax.Array]
    ) -> tuple[jax.Array, None]:
        return total + kernel_gradient(*part), None

    return jax.lax.scan(add, jnp.zeros(like.shape, like.dtype), parts)[0]


def _product_over_places(x: jax.Array, grad: jax.Array) -> jax.Array:
    """[B, H, W, I] and [B, H, W, O] -> [I, O], summed over what they share."""
    return jnp.tensordot(x, grad, ([0, 1, 2],) * 2)


def _kernel_gradient_3x3(x: jax.Array, grad: jax.Array) -> jax.Array:
    """One matrix product a tap."""
    height, width = x.shape[1:3]
    padded = pad_space(x, 1)
    taps = [
        _product_over_places(padded[:, i : i + height, j : j + width], grad)
        for i in range(3)
        for j in range(3)
    ]
    return jnp.stack(taps).reshape(3, 3, x.shape[-1], grad.shape[-1])


def _kernel_gradient_7x7(x: jax.Array, grad: jax.Array) -> jax.Array:
    """Four matrix products, of a convolution with stride 2 on an even map.

    With every 2x2 square of pixels as one of four times the channels, the stride is 1
    and the kernel 4x4; the columns of its windows are put side by side.
    """
    height, width = grad.shape[1:3]
    channels = x.shape[-1]
    split = (len(x), height + 3, 2, width + 3, 2, channels)
    squares = pad_space(x, 3).reshape(split).swapaxes(2, 3)
    squares = squares.reshape(len(x), height + 3, width + 3, 4 * channels)
    columns = jnp.concatenate(windows_along(squares, 2, 4, 1), -1)
    rows = [_product_over_places(r, grad) for r in windows_along(columns, 1, 4, 1)]
    taps = jnp.stack(rows).reshape(4, 4, 2, 2, channels, -1).swapaxes(1, 2)
    return taps.reshape(8, 8, channels, -1)[:7, :7]


_conv_3x3 = _with_kernel_gradient(1, 1, _kernel_gradient_3x3)
_conv_7x7 = _with_kernel_gradient(2, 3, _kernel_gradient_7x7)
