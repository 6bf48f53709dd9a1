"""The units that the networks are made of: convolution, batch normalisation, ReLU."""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer

from cl_facenet.models.operations.batch_norm import EPSILON, count_values, normalize
from cl_facenet.models.operations.convolution import conv
from cl_facenet.models.operations.padding import Padding, same_padding

# Torch's default for convolutions and linear layers: U(+-1/sqrt(fan_in)).
torch_uniform = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
# For ReLU behind it, N(0, 2/fan_in) (He et al. 2015); DL4J's RELU.
he_normal = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
# Caffe's "xavier": U(+-sqrt(3/fan_in)).
xavier_uniform = nn.initializers.variance_scaling(1.0, "fan_in", "uniform")

MOMENTUM = 0.9  # of the running statistics, Torch's

Kernel = int | tuple[int, int]  # (height, width)
# "half": half the kernel on each side, as dpnn's Inception writes it.
Pad = Padding | Literal["half", "same"]


def padding_of(pad: Pad, x: jax.Array, kernel: Kernel, stride: int) -> Padding:
    """A padding by name in numbers, for a map x [B, H, W, C]."""
    if not isinstance(pad, str):
        return pad
    height, width = _pair(kernel)
    if pad == "half":
        return (height // 2, height // 2), (width // 2, width // 2)
    rows, _ = same_padding(x.shape[1], x.shape[2], height, stride)
    _, columns = same_padding(x.shape[1], x.shape[2], width, stride)
    return rows, columns


def _pair(kernel: Kernel) -> tuple[int, int]:
    return (kernel, kernel) if isinstance(kernel, int) else kernel


class ConvBN(nn.Module):
    """Convolution, batch normalisation, ReLU: the unit of the Inception tables.

    [B, H, W, I] -> [B, H', W', features]; rows where mask [B] is False count for
    nothing. As in Torch, running <- 0.9 running + 0.1 batch, and the batch is
    normalised by its biased variance while the running variance is unbiased.

    Attributes:
      bias: what the convolution's bias starts at; None: it has none.
      epsilon: of the batch normalisation.
    """

    features: int
    kernel: Kernel
    stride: int = 1
    padding: Pad = 0
    bias: float | None = 0.0
    kernel_init: Initializer = torch_uniform
    epsilon: float = EPSILON

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, *, train: bool) -> jax.Array:
        x, conv_bias = Conv(
            self.features,
            self.kernel,
            self.stride,
            self.padding,
            self.bias,
            self.kernel_init,
            name="conv",
        )(x)
        return BatchNormReLU(self.epsilon, name="bn")(x, conv_bias, mask, train=train)


class Conv(nn.Module):
    """A convolution and its bias, not yet added: BatchNormReLU takes care of that.

    Attributes:
      bias: what it starts at; None: there is none, and zero is returned.
    """

    features: int
    kernel: Kernel
    stride: int = 1
    padding: Pad = 0
    bias: float | None = 0.0
    kernel_init: Initializer = torch_uniform

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        shape = (*_pair(self.kernel), x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        padding = padding_of(self.padding, x, self.kernel, self.stride)
        y = conv(x, kernel, self.stride, padding)
        if self.bias is None:
            return y, jnp.zeros(())
        start = nn.initializers.constant(self.bias)
        return y, self.param("bias", start, (self.features,))


class BatchNormReLU(nn.Module):
    """Batch normalisation of x + conv_bias, then ReLU.

    In training the bias cancels against the batch's mean and is left out of the map;
    it is in the running mean, so that parameters and statistics mean what they do in
    Torch.
    """

    epsilon: float = EPSILON

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
            factor = scale * jax.lax.rsqrt(running_var.value + self.epsilon)
            return nn.relu(
                x * factor + (bias + (conv_bias - running_mean.value) * factor)
            )
        weight = mask.astype(jnp.float32)[:, None, None, None]
        y, mean, var = normalize(x, scale, bias, weight, self.epsilon)
        if not self.is_initializing():
            count = count_values(x, weight)
            unbiased = var * (count / jnp.maximum(count - 1, 1))
            mean = mean + jax.lax.stop_gradient(conv_bias)
            running_mean.value = MOMENTUM * running_mean.value + (1 - MOMENTUM) * mean
            running_var.value = MOMENTUM * running_var.value + (1 - MOMENTUM) * unbiased
        return y
