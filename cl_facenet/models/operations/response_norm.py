"""Local response normalisation, across channels."""

from functools import partial

import jax
import jax.numpy as jnp

from cl_facenet.models.operations.padding import windows_along
from cl_facenet.models.operations.precision import at_least_float32


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def local_response_norm(x: jax.Array, alpha: float = 1e-4 / 5) -> jax.Array:
    """x_c * (1 + alpha * sum_{|j - c| <= 2} x_j^2)^-0.75 over channels, the last axis.

    Krizhevsky et al. 2012, section 3.3, with window 5 and k = 1. `alpha` is Torch's
    (nn.SpatialCrossMapLRN), already divided by the window. The gradient is written
    out: autodiff goes over the map once for each of the five places in a window. The
    sums are float32, whatever x is.
    """
    return _lrn_forward(x, alpha)[0]


def _lrn_forward(
    x: jax.Array, alpha: float
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    d = 1 + alpha * _sum_over_channels(jnp.square(at_least_float32(x)))
    return (x * _power(d)).astype(x.dtype), (x, d)


def _lrn_backward(
    alpha: float, saved: tuple[jax.Array, jax.Array], grad: jax.Array
) -> tuple[jax.Array]:
    x, d = saved
    dtype, x, grad = x.dtype, at_least_float32(x), at_least_float32(grad)
    scale = _power(d)
    shared = _sum_over_channels(grad * x * scale / d)
    return ((grad * scale - (2 * 0.75 * alpha) * x * shared).astype(dtype),)


local_response_norm.defvjp(_lrn_forward, _lrn_backward)


def _sum_over_channels(x: jax.Array) -> jax.Array:
    """For each channel the sum over it and two on either side."""
    pad = [(0, 0)] * (x.ndim - 1) + [(2, 2)]
    return sum(windows_along(jnp.pad(x, pad), x.ndim - 1, 5, 1), start=jnp.zeros(()))


def _power(d: jax.Array) -> jax.Array:
    """d^-0.75 as d^-1/2 * d^-1/4, without a pow."""
    inverse_root = jax.lax.rsqrt(d)
    return inverse_root * jnp.sqrt(inverse_root)
