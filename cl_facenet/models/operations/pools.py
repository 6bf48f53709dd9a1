"""Pooling over square windows: [B, H, W, C] -> [B, H', W', C]."""

from functools import partial

import jax
import jax.numpy as jnp

from cl_facenet.models.operations.padding import (
    Padding,
    Pairs,
    interleave,
    pad_space,
    pairs,
    windows_along,
)
from cl_facenet.models.operations.platforms import by_platform
from cl_facenet.models.operations.precision import at_least_float32


def max_pool(x: jax.Array, window: int, stride: int, padding: Padding) -> jax.Array:
    """Maximum over square windows; the gradient goes to the first of equal ones."""
    geometry = (window, stride, pairs(padding))
    return by_platform(
        lambda x: _separable_max_pool(x, *geometry, x.shape[1:3]),
        lambda x: plain_max_pool(x, *geometry),
    )(x)


def plain_max_pool(
    x: jax.Array, window: int, stride: int, padding: Padding
) -> jax.Array:
    """The definition of `max_pool`."""
    sizes, strides = (1, window, window, 1), (1, stride, stride, 1)
    border = ((0, 0), *pairs(padding), (0, 0))
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, sizes, strides, border)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3, 4))
def _separable_max_pool(
    x: jax.Array, window: int, stride: int, padding: Pairs, size: tuple[int, int]
) -> jax.Array:
    """Along columns, then along rows; `size` is the map's height and width.

    Its gradient remembers which element of each window has won, a byte a window: XLA's
    (select-and-scatter) looks for it again, one window after another.
    """
    return _max_forward(x, window, stride, padding, size)[0]


def _max_forward(
    x: jax.Array, window: int, stride: int, padding: Pairs, size: tuple[int, int]
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    x = pad_space(x, padding, -jnp.inf)
    x, columns = _max_along(x, 2, window, stride)
    x, rows = _max_along(x, 1, window, stride)
    return x, (columns, rows)


def _max_backward(
    window: int,
    stride: int,
    padding: Pairs,
    size: tuple[int, int],
    winners: tuple[jax.Array, jax.Array],
    grad: jax.Array,
) -> tuple[jax.Array]:
    columns, rows = winners
    (top, bottom), (left, right) = padding
    height, width = size
    grad = _to_winners(grad, rows, 1, window, stride, top + height + bottom)
    grad = _to_winners(grad, columns, 2, window, stride, left + width + right)
    return (grad[:, top : top + height, left : left + width],)


_separable_max_pool.defvjp(_max_forward, _max_backward)


def _max_along(
    x: jax.Array, axis: int, window: int, stride: int
) -> tuple[jax.Array, jax.Array]:
    """The greatest of each window along one axis, and which it is: the first, int8."""
    greatest, *others = windows_along(x, axis, window, stride)
    winner = jnp.zeros(greatest.shape, jnp.int8)
    for place, other in enumerate(others, 1):
        winner = jnp.where(other > greatest, jnp.int8(place), winner)
        greatest = jnp.maximum(greatest, other)  # NaN stays NaN
    return greatest, winner


def _to_winners(
    grad: jax.Array, winner: jax.Array, axis: int, window: int, stride: int, size: int
) -> jax.Array:
    """The transpose of `_max_along`: every gradient to the place that it came from.

    Place k of window i is element i * stride + k: those of k = phase modulo the stride
    are elements of one phase, which are summed apart and then interleaved.
    """
    if stride == 1:
        return _to_winners_of_all(grad, winner, axis, window)
    number, length = grad.shape[axis], -(-size // stride)
    phases = []
    for phase in range(stride):
        total = jnp.zeros((), grad.dtype)
        for place in range(phase, window, stride):
            won = jnp.where(winner == place, grad, 0)
            before = place // stride
            border = [(0, 0, 0)] * grad.ndim
            border[axis] = (before, length - number - before, 0)
            total = total + jax.lax.pad(won, jnp.zeros((), won.dtype), border)
        phases.append(total)
    return jax.lax.slice_in_dim(interleave(phases, axis), 0, size, axis=axis)


def _to_winners_of_all(
    grad: jax.Array, winner: jax.Array, axis: int, window: int
) -> jax.Array:
    """`_to_winners` where the stride is 1: twice as fast as by adding what is padded.

    Element i is in window i as its place 0, in window i - 1 as its place 1, and so on.
    """
    border = [(0, 0)] * grad.ndim
    border[axis] = (window - 1, window - 1)
    grads = windows_along(jnp.pad(grad, border), axis, window, 1)
    winners = windows_along(
        jnp.pad(winner, border, constant_values=-1), axis, window, 1
    )
    by_place = zip(reversed(grads), reversed(winners), strict=True)
    won = [jnp.where(w == place, g, 0) for place, (g, w) in enumerate(by_place)]
    return sum(won, start=jnp.zeros((), grad.dtype))


def l2_pool(x: jax.Array, window: int, stride: int, padding: Padding) -> jax.Array:
    """Root of the sum of squares over square windows (Torch's SpatialLPPooling, p=2).

    An all-zero window has value and gradient zero. The sums are of shifted slices,
    along rows, then along columns, on every platform, and float32 whatever x is.
    """
    total = pad_space(jnp.square(at_least_float32(x)), padding)
    for axis in (1, 2):
        total = sum(windows_along(total, axis, window, stride), start=jnp.zeros(()))
    nonzero = total > 0
    # The inner `where` keeps the infinite slope of sqrt at 0 out of the gradient.
    root = jnp.where(nonzero, jnp.sqrt(jnp.where(nonzero, total, 1.0)), 0.0)
    return root.astype(x.dtype)
