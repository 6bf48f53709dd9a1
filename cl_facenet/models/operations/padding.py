"""Padding written out as in Torch: so many rows and columns on every side.

Or pairs (before, after) of rows and of columns. The output's size is
floor((n + before + after - kernel) / stride) + 1.
"""

import jax
import jax.numpy as jnp

Pairs = tuple[tuple[int, int], tuple[int, int]]  # (top, bottom), (left, right)
Padding = int | Pairs


def same_padding(height: int, width: int, window: int, stride: int) -> Pairs:
    """What makes ceil(n / stride) of n, the odd one after ("Same" of DL4J and TF)."""

    def pair(n: int) -> tuple[int, int]:
        total = max((-(-n // stride) - 1) * stride + window - n, 0)
        return total // 2, total - total // 2

    return pair(height), pair(width)


def pairs(padding: Padding) -> Pairs:
    """The same padding, as pairs."""
    return ((padding,) * 2,) * 2 if isinstance(padding, int) else padding


def pad_space(x: jax.Array, padding: Padding, value: float = 0.0) -> jax.Array:
    """Pads the rows and columns of x [B, H, W, C]."""
    return jnp.pad(x, ((0, 0), *pairs(padding), (0, 0)), constant_values=value)


def windows_along(x: jax.Array, axis: int, window: int, stride: int) -> list[jax.Array]:
    """The `window` strided slices of x whose k-th holds element k of every window."""
    last = x.shape[axis] - window
    return [
        jax.lax.slice_in_dim(x, k, last + k + 1, stride, axis) for k in range(window)
    ]


def interleave(phases: list[jax.Array], axis: int) -> jax.Array:
    """Element k of each array in turn, along an axis; they are of one shape."""
    shape = list(phases[0].shape)
    shape[axis] *= len(phases)
    return jnp.stack(phases, axis + 1).reshape(shape)
