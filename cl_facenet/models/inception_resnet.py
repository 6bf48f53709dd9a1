"""Inception-ResNet-v1, the trunk of facenet's models (Szegedy et al., 1602.07261).

Source of every number: David Sandberg's `inception_resnet_v1.py` and facenet-pytorch's
file of the same name, whose batch normalisation (with a scale) this is.
"""

from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from cl_facenet.models.compute import Compute
from cl_facenet.models.layers import Conv, ConvBN, Kernel, Pad
from cl_facenet.models.operations.pools import max_pool
from cl_facenet.models.rows import Rows
from cl_facenet.models.sizes import require_size


class Unit(NamedTuple):
    """A convolution without bias, batch normalisation, ReLU."""

    features: int
    kernel: Kernel = 1
    stride: int = 1
    padding: Pad = "half"


Branches = tuple[tuple[Unit, ...], ...]  # side by side; each one unit after another

STEM = (
    ("1a", Unit(32, 3, 2, 0)),
    ("2a", Unit(32, 3, 1, 0)),
    ("2b", Unit(64, 3)),
    # Here: max pool 3x3, stride 2.
    ("3b", Unit(80)),
    ("4a", Unit(192, 3, 1, 0)),
    ("4b", Unit(256, 3, 2, 0)),
)
BLOCK_35: Branches = (
    (Unit(32),),
    (Unit(32), Unit(32, 3)),
    (Unit(32), Unit(32, 3), Unit(32, 3)),
)
MIXED_6A: Branches = (
    (Unit(384, 3, 2, 0),),
    (Unit(192), Unit(192, 3), Unit(256, 3, 2, 0)),
)
BLOCK_17: Branches = (
    (Unit(128),),
    (Unit(128), Unit(128, (1, 7)), Unit(128, (7, 1))),
)
MIXED_7A: Branches = (
    (Unit(256), Unit(384, 3, 2, 0)),
    (Unit(256), Unit(256, 3, 2, 0)),
    (Unit(256), Unit(256, 3), Unit(256, 3, 2, 0)),
)
BLOCK_8: Branches = (
    (Unit(192),),
    (Unit(192), Unit(192, (1, 3)), Unit(192, (3, 1))),
)

# Name, number and scale of the residual blocks, and the reduction behind them.
STAGES = (
    ("block35", BLOCK_35, 5, 0.17, ("mixed_6a", MIXED_6A)),
    ("block17", BLOCK_17, 10, 0.10, ("mixed_7a", MIXED_7A)),
    ("block8", BLOCK_8, 5, 0.20, None),
)


class Chain(nn.Module):
    """Units one after another."""

    units: tuple[Unit, ...]

    @nn.compact
    def __call__(self, x: jax.Array, rows: Rows, *, train: bool) -> jax.Array:
        for number, unit in enumerate(self.units, start=1):
            x = _conv_bn(unit, f"unit{number}")(x, rows, train=train)
        return x


class Residual(nn.Module):
    """x + scale * up(branches of x), then a ReLU; `up` is 1x1, with a bias, no BN."""

    branches: Branches
    scale: float
    relu: bool = True

    @nn.compact
    def __call__(self, x: jax.Array, rows: Rows, *, train: bool) -> jax.Array:
        maps = _side_by_side(self.branches, x, rows, train)
        up, bias = Conv(x.shape[-1], 1, name="up")(jnp.concatenate(maps, -1))
        x = x + (self.scale * (up + bias)).astype(x.dtype)
        return nn.relu(x) if self.relu else x


class Reduction(nn.Module):
    """Branches and a max pool side by side, all of which halve the map."""

    branches: Branches

    @nn.compact
    def __call__(self, x: jax.Array, rows: Rows, *, train: bool) -> jax.Array:
        maps = _side_by_side(self.branches, x, rows, train)
        return jnp.concatenate([*maps, max_pool(x, 3, 2, 0)], -1)


def _side_by_side(
    branches: Branches, x: jax.Array, rows: Rows, train: bool
) -> list[jax.Array]:
    return [
        Chain(units, name=f"branch{number}")(x, rows, train=train)
        for number, units in enumerate(branches, start=1)
    ]


def _conv_bn(unit: Unit, name: str) -> ConvBN:
    return ConvBN(*unit, bias=None, epsilon=1e-3, name=name)


class InceptionResNetV1(nn.Module):
    """Stem, 21 residual blocks, average: [B, H, W, 3] in [0, 1] -> [B, 1792].

    Pixels become (255 x - 127.5) / 128. The last block adds at full scale and has no
    ReLU. 160x160 gives maps of 79, 77, 38, 36, 17, 8 and 3; 75 is the smallest that
    leaves one.
    """

    compute: Compute = Compute()

    @nn.compact
    def __call__(self, images: jax.Array, rows: Rows, *, train: bool) -> jax.Array:
        x = self.compute.cast((images * 255 - 127.5) / 128)
        for name, unit in STEM:
            if name == "3b":
                x = max_pool(x, 3, 2, 0)
            x = _conv_bn(unit, f"stem_{name}")(x, rows, train=train)
        call = partial(Residual.__call__, train=train)
        for name, branches, repeats, scale, reduction in STAGES:
            for number in range(1, repeats + 1):
                block = Residual(branches, scale, name=f"{name}_{number}")
                x = self.compute.block(call, block, x, rows)
            if reduction is not None:
                reduced_by, to_half = reduction
                x = Reduction(to_half, name=reduced_by)(x, rows, train=train)
        x = Residual(BLOCK_8, 1.0, relu=False, name="block8_6")(x, rows, train=train)
        return x.mean((1, 2), dtype=jnp.float32)

    def check_size(self, height: int, width: int) -> None:
        """Raises InputError for images that the network cannot take."""
        fits = min(height, width) >= 75
        require_size(fits, height, width, "75x75 or more; it was made for 160x160")
