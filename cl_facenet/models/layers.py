"""The units that the networks are made of: convolution, batch normalisation, ReLU."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from cl_facenet.models.operations import (
    EPSILON,
    Padding,
    conv,
    count_values,
    normalize,
)

# Torch's default for convolutions and linear layers: U(+-1/sqrt(fan_in)).
torch_uniform = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")

MOMENTUM = 0.9  # of the running statistics, Torch's


class ConvBN(nn.Module):
    """Convolution, batch normalisation, ReLU: the unit of the Inception tables.

    [B, H, W, I] -> [B, H', W', features]; rows where mask [B] is False count for
    nothing. As in Torch, epsilon is 1e-5, running <- 0.9 running + 0.1 batch, and the
    batch is normalised by its biased variance while the running variance is unbiased.
    """

    features: int
    kernel: int
    stride: int = 1
    padding: Padding = 0

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
    padding: Padding

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
            count = count_values(x, weight)
            unbiased = var * (count / jnp.maximum(count - 1, 1))
            mean = mean + jax.lax.stop_gradient(conv_bias)
            running_mean.value = MOMENTUM * running_mean.value + (1 - MOMENTUM) * mean
            running_var.value = MOMENTUM * running_var.value + (1 - MOMENTUM) * unbiased
        return y
