"""Batch normalisation and ReLU, in one."""

from functools import partial

import jax
import jax.numpy as jnp

from cl_facenet.models.operations.precision import at_least_float32

EPSILON = 1e-5  # Torch's


@partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def normalize(
    x: jax.Array,
    scale: jax.Array,
    bias: jax.Array,
    weight: jax.Array,
    epsilon: float = EPSILON,
    axis: str | None = None,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """ReLU of the batch-normalised x [B, H, W, C], and the batch's mean and variance.

    Ioffe and Szegedy 2015, algorithm 1, with the gradient of section 3 written out: one
    pass over the map where autodiff takes several. `weight` [B, 1, 1, 1] is 1 for rows
    that count and 0 for padding; with `axis`, statistics are of the rows of all devices
    along that mapped axis. They are float32, whatever x is, and two-pass: E[x^2] -
    E[x]^2 loses all digits where the mean is large, and shifted by a pixel it is exact
    enough but slower here (experiments/speed/README.md).
    """
    return _normalize_forward(x, scale, bias, weight, epsilon, axis)[0]


def _normalize_forward(
    x: jax.Array,
    scale: jax.Array,
    bias: jax.Array,
    weight: jax.Array,
    epsilon: float,
    axis: str | None,
) -> tuple[tuple[jax.Array, jax.Array, jax.Array], tuple[jax.Array, ...]]:
    share = _share_of(x, weight, axis)
    x32 = at_least_float32(x)
    mean = _mean(x32, share, axis)
    centered = x32 - mean
    var = _mean(jnp.square(centered), share, axis)
    y = jax.nn.relu(_before_relu(centered, var, scale, bias, epsilon))
    return (y.astype(x.dtype), mean, var), (x, mean, var, scale, bias, weight)


def _mean(x: jax.Array, share: jax.Array, axis: str | None) -> jax.Array:
    """Of each channel, where a number of each row has that share [B, 1, 1, 1].

    Rows are weighted when each is a sum: shares within it would become a map in memory.
    """
    return _total(jnp.sum(jnp.sum(x, (1, 2)) * share[:, 0, 0], 0), axis)


def _before_relu(
    centered: jax.Array,
    var: jax.Array,
    scale: jax.Array,
    bias: jax.Array,
    epsilon: float,
) -> jax.Array:
    return centered * (scale * jax.lax.rsqrt(var + epsilon)) + bias


def _normalize_backward(
    epsilon: float,
    axis: str | None,
    saved: tuple[jax.Array, ...],
    grads: tuple[jax.Array, jax.Array, jax.Array],
) -> tuple[jax.Array, jax.Array, jax.Array, None]:
    x, mean, var, scale, bias, weight = saved
    centered = at_least_float32(x) - mean
    # Computed once more, rather than kept: it is nearly free beside reading x.
    positive = _before_relu(centered, var, scale, bias, epsilon) > 0
    # The statistics are not differentiated.
    grad = jnp.where(positive, at_least_float32(grads[0]), 0)
    inverse = jax.lax.rsqrt(var + epsilon)
    bias_grad = jnp.sum(grad, (0, 1, 2))
    scale_grad = jnp.sum(grad * centered, (0, 1, 2)) * inverse
    # Through the statistics goes what all rows send back, of a parameter's gradient
    # each device has what its own rows do.
    through_batch = _share_of(x, weight, axis) * (
        _total(bias_grad, axis) + centered * (inverse * _total(scale_grad, axis))
    )
    return (
        ((grad - through_batch) * (scale * inverse)).astype(x.dtype),
        scale_grad,
        bias_grad,
        None,
    )


normalize.defvjp(_normalize_forward, _normalize_backward)


def count_values(x: jax.Array, weight: jax.Array, axis: str | None = None) -> jax.Array:
    """How many numbers of each channel count, on all devices along `axis`."""
    rows = _total(weight.sum(), axis)
    return jnp.maximum(rows * (x.shape[1] * x.shape[2]), 1.0)


def _total(x: jax.Array, axis: str | None) -> jax.Array:
    return x if axis is None else jax.lax.psum(x, axis)


def _share_of(x: jax.Array, weight: jax.Array, axis: str | None) -> jax.Array:
    """What each number of a row has in the mean of its channel, [B, 1, 1, 1].

    Within the sum, where the division behind it would be one more kernel a layer.
    """
    return weight / count_values(x, weight, axis)
