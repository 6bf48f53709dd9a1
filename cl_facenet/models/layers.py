"""The units that the networks are made of: convolution, batch normalisation, ReLU."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer

from cl_facenet.models.operations.batch_norm import EPSILON, count_values, normalize
from cl_facenet.models.operations.convolution import conv
from cl_facenet.models.operations.padding import Padding, same_padding
from cl_facenet.models.rows import Rows


@dataclass(frozen=True)
class FanInScaling:
    """JAX's `variance_scaling` by the inputs; with it a network can be pickled."""

    scale: float
    distribution: Literal["normal", "truncated_normal", "uniform"]

    def __call__(self, *of: Any, **more: Any) -> jax.Array:
        start = nn.initializers.variance_scaling(
            self.scale, "fan_in", self.distribution
        )
        return start(*of, **more)


# Torch's default for convolutions and linear layers: U(+-1/sqrt(fan_in)).
torch_uniform = FanInScaling(1 / 3, "uniform")
# For ReLU behind it, N(0, 2/fan_in) (He et al. 2015); DL4J's RELU.
he_normal = FanInScaling(2.0, "normal")
# Caffe's "xavier": U(+-sqrt(3/fan_in)).
xavier_uniform = FanInScaling(1.0, "uniform")
# Of variance 1/fan_in, Flax's default (LeCun et al. 1998).
lecun_normal = FanInScaling(1.0, "truncated_normal")

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

    [B, H, W, I] -> [B, H', W', features]; statistics are of `rows`. As in Torch,
    running <- 0.9 running + 0.1 batch, and the batch is normalised by its biased
    variance while the running variance is unbiased.

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

    def setup(self) -> None:
        self.conv = Conv(
            self.features,
            self.kernel,
            self.stride,
            self.padding,
            self.bias,
            self.kernel_init,
        )
        self.bn = BatchNormReLU(self.epsilon)

    def __call__(self, x: jax.Array, rows: Rows, *, train: bool) -> jax.Array:
        return jointly([self], x, rows, train=train)[0]


def jointly(
    units: Sequence[ConvBN], x: jax.Array, rows: Rows, *, train: bool
) -> list[jax.Array]:
    """What each of some units gives of one map, by one convolution.

    They differ in nothing but their features and what these start at. One product with
    all kernels side by side reads the map once, and is wide where a branch is narrow.
    """
    first = units[0]
    kernels, biases = zip(*(u.conv.parameters(x.shape[-1]) for u in units), strict=True)
    padding = padding_of(first.padding, x, first.kernel, first.stride)
    y = conv(x, jnp.concatenate(kernels, -1), first.stride, padding)
    norms = [unit.bn for unit in units]
    z = _normalize_jointly(norms, y, biases, rows, train=train)
    maps = _apart(z, biases)
    if first.is_mutable_collection("intermediates"):  # as though each were called
        for unit, before, after in zip(units, _apart(y, biases), maps, strict=True):
            unit.conv.sow("intermediates", "__call__", before)
            unit.bn.sow("intermediates", "__call__", after)
    return maps


def _apart(x: jax.Array, vectors: Sequence[jax.Array]) -> list[jax.Array]:
    """The channels of x, the last axis, as they were joined: as many as each vector."""
    ends = list(accumulate(len(vector) for vector in vectors))
    return jnp.split(x, ends[:-1], -1)


class Conv(nn.Module):
    """A convolution and its bias, not yet added: BatchNormReLU takes care of that.

    Attributes:
      bias: what it starts at; None: there is none, and zeros are returned.
    """

    features: int
    kernel: Kernel
    stride: int = 1
    padding: Pad = 0
    bias: float | None = 0.0
    kernel_init: Initializer = torch_uniform

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        kernel, bias = self.parameters(x.shape[-1])
        padding = padding_of(self.padding, x, self.kernel, self.stride)
        return conv(x, kernel, self.stride, padding), bias

    @nn.compact
    def parameters(self, inputs: int) -> tuple[jax.Array, jax.Array]:
        """Kernel [k, l, inputs, features] and bias [features]."""
        shape = (*_pair(self.kernel), inputs, self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        if self.bias is None:
            return kernel, jnp.zeros(self.features)
        start = nn.initializers.constant(self.bias)
        return kernel, self.param("bias", start, (self.features,))


class Normalization(NamedTuple):
    """The variables of a batch normalisation, each [C]."""

    scale: jax.Array
    bias: jax.Array
    mean: nn.Variable
    var: nn.Variable


class BatchNormReLU(nn.Module):
    """Batch normalisation of x + conv_bias, then ReLU.

    In training the bias cancels against the batch's mean and is left out of the map;
    it is in the running mean, so that parameters and statistics mean what they do in
    Torch.
    """

    epsilon: float = EPSILON

    def __call__(
        self, x: jax.Array, conv_bias: jax.Array, rows: Rows, *, train: bool
    ) -> jax.Array:
        biases = [jnp.broadcast_to(conv_bias, x.shape[-1:])]
        return _normalize_jointly([self], x, biases, rows, train=train)

    @nn.compact
    def normalization(self, features: int) -> Normalization:
        """Its variables."""
        size = (features,)
        return Normalization(
            self.param("scale", nn.initializers.ones_init(), size),
            self.param("bias", nn.initializers.zeros_init(), size),
            self.variable("batch_stats", "mean", jnp.zeros, size),
            self.variable("batch_stats", "var", jnp.ones, size),
        )


def _normalize_jointly(
    modules: Sequence[BatchNormReLU],
    x: jax.Array,
    conv_biases: Sequence[jax.Array],
    rows: Rows,
    *,
    train: bool,
) -> jax.Array:
    """x [B, H, W, C], of whose channels each module has as many as its bias is long."""
    pairs = zip(modules, conv_biases, strict=True)
    parts = [module.normalization(len(bias)) for module, bias in pairs]
    scale = jnp.concatenate([part.scale for part in parts])
    bias = jnp.concatenate([part.bias for part in parts])
    conv_bias, epsilon = jnp.concatenate(conv_biases), modules[0].epsilon
    if not train:
        running_mean = jnp.concatenate([part.mean.value for part in parts])
        running_var = jnp.concatenate([part.var.value for part in parts])
        factor = scale * jax.lax.rsqrt(running_var + epsilon)
        y = x * factor + (bias + (conv_bias - running_mean) * factor)
        return nn.relu(y).astype(x.dtype)
    weight = rows.mask.astype(jnp.float32)[:, None, None, None]
    y, mean, var = normalize(x, scale, bias, weight, epsilon, rows.axis)
    if not modules[0].is_initializing():
        count = count_values(x, weight, rows.axis)
        unbiased = var * (count / jnp.maximum(count - 1, 1))
        mean = mean + jax.lax.stop_gradient(conv_bias)
        means, variances = _apart(mean, conv_biases), _apart(unbiased, conv_biases)
        for part, own_mean, own_var in zip(parts, means, variances, strict=True):
            _move(part.mean, own_mean)
            _move(part.var, own_var)
    return y


def _move(running: nn.Variable, batch: jax.Array) -> None:
    running.value = MOMENTUM * running.value + (1 - MOMENTUM) * batch
