"""Convolution, [B, H, W, I] x [k, l, I, O] -> [B, H', W', O]."""

from functools import partial

import jax
import jax.numpy as jnp

from cl_facenet.models.operations.padding import Padding, Pairs, interleave, pairs
from cl_facenet.models.operations.platforms import by_platform


def conv(x: jax.Array, kernel: jax.Array, stride: int, padding: Padding) -> jax.Array:
    """Cross-correlation with written-out padding, in x's precision."""
    kernel = kernel.astype(x.dtype)
    if kernel.shape[:2] == (1, 1) and stride == 1 and pairs(padding) == pairs(0):
        return _pointwise(x, kernel[0, 0])
    return _conv(x, kernel, stride, pairs(padding))


def plain_conv(
    x: jax.Array, kernel: jax.Array, stride: int, padding: Padding, dilation: int = 1
) -> jax.Array:
    """The definition of `conv`; with `dilation`, between the taps of the kernel."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(stride, stride),
        padding=pairs(padding),
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


@jax.custom_vjp
def _pointwise(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """x [B, H, W, I] by a kernel of one tap, [I, O].

    Its gradient to the kernel is one product of rows by rows, which Eigen takes as they
    lie in memory; autodiff's is over three axes, and XLA transposes a factor first.
    """
    return x @ kernel


def _pointwise_backward(
    saved: tuple[jax.Array, jax.Array], grad: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    rows, grads = (y.reshape(-1, y.shape[-1]) for y in (x, grad))
    return grad @ kernel.T, rows.T @ grads


_pointwise.defvjp(lambda x, kernel: (x @ kernel, (x, kernel)), _pointwise_backward)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _conv(x: jax.Array, kernel: jax.Array, stride: int, padding: Pairs) -> jax.Array:
    """`plain_conv` with gradients of its own, on a CPU.

    Those of the definition name their axes in another order than a convolution, and
    that to a strided one's input has zeros between its elements. XLA has plain loops
    for such there, forty times slower; outside of loops of a program it mends the
    order, so that a batch in parts is what would suffer from it.
    """
    return plain_conv(x, kernel, stride, padding)


def _forward(
    x: jax.Array, kernel: jax.Array, stride: int, padding: Pairs
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return plain_conv(x, kernel, stride, padding), (x, kernel)


def _backward(
    stride: int,
    padding: Pairs,
    saved: tuple[jax.Array, jax.Array],
    grad: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    # Each is the definition's gradient to one of its two inputs.
    _, to_x = jax.vjp(lambda x: plain_conv(x, kernel, stride, padding), x)
    _, to_kernel = jax.vjp(lambda k: plain_conv(x, k, stride, padding), kernel)
    x_grad = by_platform(
        lambda grad: _to_input(grad, kernel, stride, padding, x.shape[1:3]),
        lambda grad: to_x(grad)[0],
    )
    kernel_grad = by_platform(
        lambda grad: _to_kernel(x, grad, kernel.shape, stride, padding),
        lambda grad: to_kernel(grad)[0],
    )
    return x_grad(grad), kernel_grad(grad)


_conv.defvjp(_forward, _backward)


def _to_kernel(
    x: jax.Array, grad: jax.Array, shape: tuple[int, ...], stride: int, padding: Pairs
) -> jax.Array:
    """The gradient to a kernel of that shape, with rows of a batch as channels.

    x is correlated with the gradient, between whose elements it steps as the
    convolution did.
    """
    height, width, _, _ = shape
    if not grad.size:  # the kernel fits nowhere
        return jnp.zeros(shape, grad.dtype)
    maps = plain_conv(
        x.transpose(3, 1, 2, 0), grad.transpose(1, 2, 0, 3), 1, padding, stride
    )
    return maps[:, :height, :width].transpose(1, 2, 0, 3)


def _to_input(
    grad: jax.Array,
    kernel: jax.Array,
    stride: int,
    padding: Pairs,
    size: tuple[int, ...],
) -> jax.Array:
    """The gradient to an input of that height and width."""
    if stride > 1:
        return _by_phases(grad, kernel, stride, padding, size)
    (top, _), (left, _) = padding
    return _dense(grad, kernel, size, (top, left))


def _by_phases(
    grad: jax.Array,
    kernel: jax.Array,
    stride: int,
    padding: Pairs,
    size: tuple[int, ...],
) -> jax.Array:
    """The gradient of a strided convolution to its input, of height and width `size`.

    A dense convolution for every phase of the stride, and these interleaved.
    """
    (top, bottom), (left, right) = padding
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
    return _dense(grad, taps, size)


def _dense(
    grad: jax.Array,
    kernel: jax.Array,
    size: tuple[int, ...],
    before: tuple[int, int] = (0, 0),
) -> jax.Array:
    """The gradient of a convolution of stride 1 to its input, height and width `size`.

    It had so many rows and columns of padding `before` it.
    """
    rows, columns = (
        (kernel.shape[axis] - 1 - cut, size[axis] + cut - grad.shape[1 + axis])
        for axis, cut in enumerate(before)
    )
    return plain_conv(grad, kernel[::-1, ::-1].swapaxes(2, 3), 1, (rows, columns))
