"""Convolution, [B, H, W, I] x [k, l, I, O] -> [B, H', W', O]."""

from functools import partial

import jax
import jax.numpy as jnp

from cl_facenet.models.operations.padding import Padding, interleave, pairs
from cl_facenet.models.operations.platforms import by_platform


def conv(x: jax.Array, kernel: jax.Array, stride: int, padding: Padding) -> jax.Array:
    """Cross-correlation with written-out padding, in x's precision."""
    kernel = kernel.astype(x.dtype)
    if kernel.shape[:2] == (1, 1) and stride == 1 and pairs(padding) == pairs(0):
        return x @ kernel[0, 0]
    if stride == 1:
        return plain_conv(x, kernel, stride, padding)
    return _strided_conv(x, kernel, stride, padding)


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


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _strided_conv(
    x: jax.Array, kernel: jax.Array, stride: int, padding: Padding
) -> jax.Array:
    """`plain_conv` with a gradient to x of its own, on a CPU.

    The definition's is a convolution with zeros set between the elements of the
    gradient, for which XLA has nothing but plain loops there.
    """
    return plain_conv(x, kernel, stride, padding)


def _strided_forward(
    x: jax.Array, kernel: jax.Array, stride: int, padding: Padding
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return plain_conv(x, kernel, stride, padding), (x, kernel)


def _strided_backward(
    stride: int,
    padding: Padding,
    saved: tuple[jax.Array, jax.Array],
    grad: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    _, height, width, _ = x.shape
    # Each is the definition's gradient to one of its two inputs.
    _, to_x = jax.vjp(lambda x: plain_conv(x, kernel, stride, padding), x)
    _, to_kernel = jax.vjp(lambda k: plain_conv(x, k, stride, padding), kernel)
    x_grad = by_platform(
        lambda grad: _by_phases(grad, kernel, stride, padding, (height, width)),
        lambda grad: to_x(grad)[0],
    )
    return x_grad(grad), *to_kernel(grad)


_strided_conv.defvjp(_strided_forward, _strided_backward)


def _by_phases(
    grad: jax.Array,
    kernel: jax.Array,
    stride: int,
    padding: Padding,
    size: tuple[int, int],
) -> jax.Array:
    """The gradient of a strided convolution to its input, of height and width `size`.

    A dense convolution for every phase of the stride, and these interleaved.
    """
    (top, bottom), (left, right) = pairs(padding)
    height, width = size
    covered = (
        -(-(top + height + bottom) // stride),
        -(-(left + width + right) // stride),
    )
    rows = [
        interleave(
            [
                _phase(grad, kernel[i::stride, j::stride], covered)
                for j in range(stride)
            ],
            2,
        )
        for i in range(stride)
    ]
    padded = interleave(rows, 1)
    return padded[:, top : top + height, left : left + width]


def _phase(grad: jax.Array, taps: jax.Array, size: tuple[int, int]) -> jax.Array:
    """The gradient to every stride-th row and column of x, [B, *size, I].

    Those elements of x have met every stride-th tap alone: between them and the output
    [B, H', W', O] the convolution had a stride of 1.
    """
    height, width, inputs, _ = taps.shape
    if not height or not width:  # a stride beyond the kernel skips elements
        return jnp.zeros((len(grad), *size, inputs), grad.dtype)
    below, right = (n - m for n, m in zip(size, grad.shape[1:3], strict=True))
    border = (height - 1, below), (width - 1, right)
    return plain_conv(grad, taps[::-1, ::-1].swapaxes(2, 3), 1, border)
