"""Inception blocks and the trunks made of them (FaceNet, arXiv 1503.03832, tables 1-2).

Source of every number: OpenFace's `nn4.small2.def.lua`; dpnn's `Inception.lua` for
the order of the branches and nn's `DepthConcat.lua` for the padding of small ones.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from cl_facenet.errors import InputError
from cl_facenet.models.layers import ConvBN
from cl_facenet.models.operations import l2_pool, local_response_norm, max_pool


class Row(NamedTuple):
    """A row of the table. Pairs are (1x1 reduce, k x k); None is an absent branch."""

    name: str
    conv_1x1: int | None
    conv_3x3: tuple[int, int]
    conv_5x5: tuple[int, int] | None
    pool: str  # "max" or "l2", over 3x3
    projection: int | None  # 1x1 behind the pool
    stride: int = 1


NN4_SMALL2 = (
    # name  1x1   3x3         5x5        pool   projection  stride
    Row("3a", 64, (96, 128), (16, 32), "max", 32),
    Row("3b", 64, (96, 128), (32, 64), "l2", 64),
    Row("3c", None, (128, 256), (32, 64), "max", None, 2),
    Row("4a", 256, (96, 192), (32, 64), "l2", 128),
    Row("4e", None, (160, 256), (64, 128), "max", None, 2),
    Row("5a", 256, (96, 384), None, "l2", 96),
    Row("5b", 256, (96, 384), None, "max", 96),
)


class Branch(nn.Module):
    """A 1x1 reduction, then a k x k convolution that carries the stride."""

    reduce: int
    features: int
    kernel: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, *, train: bool) -> jax.Array:
        x = ConvBN(self.reduce, 1, name="reduce")(x, mask, train=train)
        conv = ConvBN(
            self.features, self.kernel, self.stride, self.kernel // 2, name="expand"
        )
        return conv(x, mask, train=train)


class PoolBranch(nn.Module):
    """3x3 pooling, then a 1x1 projection where the row has one.

    Max pools pad to keep the block's size. L2 pools do not pad; their smaller map is
    set in the middle of zeros by the block.
    """

    pool: str
    projection: int | None
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, *, train: bool) -> jax.Array:
        pooled = (
            max_pool(x, 3, self.stride, padding=1)
            if self.pool == "max"
            else l2_pool(x, 3, self.stride, padding=0)
        )
        if self.projection is None:
            return pooled
        return ConvBN(self.projection, 1, name="project")(pooled, mask, train=train)


class InceptionBlock(nn.Module):
    """The branches of one row side by side: 3x3, 5x5, pool, 1x1."""

    row: Row

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, *, train: bool) -> jax.Array:
        row = self.row
        branches: list[nn.Module] = [
            Branch(*row.conv_3x3, 3, row.stride, name="branch_3x3")
        ]
        if row.conv_5x5:
            branches.append(Branch(*row.conv_5x5, 5, row.stride, name="branch_5x5"))
        branches.append(
            PoolBranch(row.pool, row.projection, row.stride, name="branch_pool")
        )
        if row.conv_1x1:
            branches.append(ConvBN(row.conv_1x1, 1, name="branch_1x1"))
        maps = [branch(x, mask, train=train) for branch in branches]
        return jnp.concatenate([_center_in(m, *maps[0].shape[1:3]) for m in maps], -1)


def _center_in(x: jax.Array, height: int, width: int) -> jax.Array:
    """Pads x with zeros to the given size, the odd one after (Torch's DepthConcat)."""
    (top, bottom), (left, right) = (
        (gap // 2, gap - gap // 2) for gap in (height - x.shape[1], width - x.shape[2])
    )
    return jnp.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))


class InceptionTrunk(nn.Module):
    """Stem, the rows of a table, average over the last map: [B, H, W, 3] -> [B, C].

    H and W are multiples of `multiple_of`, and `smallest` or more: 96 gives maps of
    48, 24, 12, 6 and 3, the last of which an unpadded 3x3 pool still fits.
    """

    rows: tuple[Row, ...]

    multiple_of = 32
    smallest = 96

    @nn.compact
    def __call__(self, images: jax.Array, mask: jax.Array, *, train: bool) -> jax.Array:
        if images.ndim != 4 or images.shape[3] != 3:
            raise InputError(
                f"images of shape {list(images.shape)}: this network takes "
                "[batch, height, width, 3]"
            )
        self.check_size(*images.shape[1:3])
        x = ConvBN(64, 7, 2, 3, name="stem_7x7")(images, mask, train=train)
        x = local_response_norm(max_pool(x, 3, 2, padding=1))
        x = ConvBN(64, 1, name="stem_1x1")(x, mask, train=train)
        x = ConvBN(192, 3, 1, 1, name="stem_3x3")(x, mask, train=train)
        x = max_pool(local_response_norm(x), 3, 2, padding=1)
        for row in self.rows:
            x = InceptionBlock(row, name=f"inception_{row.name}")(x, mask, train=train)
        return x.mean((1, 2))

    def check_size(self, height: int, width: int) -> None:
        """Raises InputError for images that the network cannot take."""
        if any(n % self.multiple_of or n < self.smallest for n in (height, width)):
            raise InputError(
                f"images of {height}x{width} pixels: this network takes multiples of "
                f"{self.multiple_of}, {self.smallest} or more (data.image_size)"
            )
