"""What stands behind a trunk: the embedding layer and the normalisation.

Products are in full float32, as all that is behind a trunk: what would be rounded to
bfloat16 or TF32 by default are the very numbers that are compared.
"""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer

from cl_facenet.models.layers import lecun_normal, torch_uniform
from cl_facenet.models.operations.lengths import l2_normalize
from cl_facenet.models.rows import Rows


class Linear(nn.Module):
    """x W + b: [B, C] -> [B, features], OpenFace's embedding layer."""

    features: int
    kernel_init: Initializer

    @nn.compact
    def __call__(self, x: jax.Array, rows: Rows, *, train: bool) -> jax.Array:
        kernel = self.param("kernel", self.kernel_init, (x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
        return jnp.matmul(x, kernel, precision="highest") + bias


class LinearBN(nn.Module):
    """x W, batch-normalised: [B, C] -> [B, features], that of facenet's networks.

    Statistics are of `rows`.
    """

    features: int
    kernel_init: Initializer

    @nn.compact
    def __call__(self, x: jax.Array, rows: Rows, *, train: bool) -> jax.Array:
        x = nn.Dense(
            self.features,
            use_bias=False,
            kernel_init=self.kernel_init,
            precision="highest",
            name="dense",
        )(x)
        bn = nn.BatchNorm(
            not train, momentum=0.9, epsilon=1e-3, axis_name=rows.axis, name="bn"
        )
        return bn(x, mask=rows.mask[:, None])


class Ending(NamedTuple):
    """How the layers behind a trunk are made; Torch's way, unless said otherwise."""

    embedding: Callable[..., nn.Module] = Linear
    kernel_init: Initializer = torch_uniform  # of the embedding layer
    logits_init: Initializer = lecun_normal
    # From features [..., D] to their direction, float32.
    normalize: Callable[[jax.Array], jax.Array] = l2_normalize
