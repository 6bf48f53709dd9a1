"""Inception blocks and the trunks made of them (FaceNet, arXiv 1503.03832, tables 1-2).

Source of every number: OpenFace's `*.def.lua`; dpnn's `Inception.lua` for the order of
the branches and nn's `DepthConcat.lua` for the padding of small ones. In what other
definitions differ is in graphs.py.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from cl_facenet.models.compute import Compute
from cl_facenet.models.graphs import Graph, Pool
from cl_facenet.models.layers import ConvBN, jointly, padding_of
from cl_facenet.models.operations.pools import l2_pool, max_pool
from cl_facenet.models.operations.response_norm import local_response_norm
from cl_facenet.models.rows import Rows
from cl_facenet.models.sizes import require_size

Unit = Callable[..., ConvBN]


class Row(NamedTuple):
    """A row of the table. Pairs are (1x1 reduce, k x k); None is an absent branch."""

    name: str
    conv_1x1: int | None
    conv_3x3: tuple[int, int]
    conv_5x5: tuple[int, int] | None
    pool: str  # "max" or "l2", over 3x3
    projection: int | None  # 1x1 behind the pool
    stride: int = 1


UP_TO_4A = (
    # name  1x1   3x3         5x5        pool   projection  stride
    Row("3a", 64, (96, 128), (16, 32), "max", 32),
    Row("3b", 64, (96, 128), (32, 64), "l2", 64),
    Row("3c", None, (128, 256), (32, 64), "max", None, 2),
    Row("4a", 256, (96, 192), (32, 64), "l2", 128),
)
ROW_4B = Row("4b", 224, (112, 224), (32, 64), "l2", 128)
ROW_4C = Row("4c", 192, (128, 256), (32, 64), "l2", 128)
ROW_4D = Row("4d", 160, (144, 288), (32, 64), "l2", 128)
ROW_4E = Row("4e", None, (160, 256), (64, 128), "max", None, 2)
WIDE_5 = (
    Row("5a", 384, (192, 384), None, "l2", 128),
    Row("5b", 384, (192, 384), None, "max", 128),
)

NN4_SMALL2 = (
    *UP_TO_4A,
    ROW_4E,
    Row("5a", 256, (96, 384), None, "l2", 96),
    Row("5b", 256, (96, 384), None, "max", 96),
)
NN4_SMALL1 = (*UP_TO_4A, ROW_4B, ROW_4E, *WIDE_5)
NN4 = (*UP_TO_4A, ROW_4B, ROW_4C, ROW_4D, ROW_4E, *WIDE_5)
NN2 = (
    *UP_TO_4A,
    *(ROW_4B, ROW_4C, ROW_4D, ROW_4E),
    *(row._replace(conv_5x5=(48, 128)) for row in WIDE_5),
)


class Branch(nn.Module):
    """A 1x1 reduction, then a k x k convolution that carries the stride.

    The block applies them: it makes the reductions of all branches at once.
    """

    reduced: int
    features: int
    kernel: int
    stride: int
    unit: Unit

    def setup(self) -> None:
        self.reduce = self.unit(self.reduced, 1)
        self.expand = self.unit(self.features, self.kernel, self.stride)


class PoolBranch(nn.Module):
    """3x3 pooling, then a 1x1 projection where the row has one."""

    pool: str
    how: Pool
    projection: int | None
    unit: Unit

    @nn.compact
    def __call__(self, x: jax.Array, rows: Rows, *, train: bool) -> jax.Array:
        x = pool_3x3(max_pool if self.pool == "max" else l2_pool, x, self.how)
        if self.projection is None:
            return x
        return self.unit(self.projection, 1, name="project")(x, rows, train=train)


class InceptionBlock(nn.Module):
    """The branches of one row side by side: 3x3, 5x5, pool and, last or first, 1x1."""

    row: Row
    graph: Graph

    @nn.compact
    def __call__(self, x: jax.Array, rows: Rows, *, train: bool) -> jax.Array:
        row, graph = self.row, self.graph
        unit = unit_of(graph, bias=0.2 if row.name in graph.biased else 0.0)
        branches = [Branch(*row.conv_3x3, 3, row.stride, unit, name="branch_3x3")]
        if row.conv_5x5:
            kernel = 5 if row.stride == 1 else graph.kernel_5x5_down
            branches.append(
                Branch(*row.conv_5x5, kernel, row.stride, unit, name="branch_5x5")
            )
        pointwise = [branch.reduce for branch in branches]
        if row.conv_1x1:
            pointwise.append(unit(row.conv_1x1, 1, name="branch_1x1"))
        pointwise_maps = jointly(pointwise, x, rows, train=train)
        maps = [
            branch.expand(reduced, rows, train=train)
            for branch, reduced in zip(branches, pointwise_maps, strict=False)
        ]
        how = graph.pool(row.pool, row.stride)
        pool = PoolBranch(row.pool, how, row.projection, unit, name="branch_pool")
        maps.append(pool(x, rows, train=train))
        if row.conv_1x1:
            place = 0 if row.name in graph.first_1x1 else len(maps)
            maps.insert(place, pointwise_maps[-1])
        height, width = (max(m.shape[axis] for m in maps) for axis in (1, 2))
        return jnp.concatenate([_center_in(m, height, width) for m in maps], -1)


def unit_of(graph: Graph, bias: float = 0.0) -> Unit:
    """ConvBN as a graph has it; it wants features, kernel, stride and name."""
    return partial(
        ConvBN, padding=graph.conv_padding, bias=bias, kernel_init=graph.kernel_init
    )


def pool_3x3(pool: Callable[..., jax.Array], x: jax.Array, how: Pool) -> jax.Array:
    """`pool` over 3x3 windows of x, with a graph's stride and padding."""
    return pool(x, 3, how.stride, padding_of(how.padding, x, 3, how.stride))


def _center_in(x: jax.Array, height: int, width: int) -> jax.Array:
    """Pads x with zeros to the given size, the odd one after (Torch's DepthConcat)."""
    (top, bottom), (left, right) = (
        (gap // 2, gap - gap // 2) for gap in (height - x.shape[1], width - x.shape[2])
    )
    return jnp.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))


class InceptionTrunk(nn.Module):
    """Stem, the rows of a table, average over the last map: [B, H, W, 3] -> [B, C].

    H and W are multiples of 32, and 96 or more: 96 gives maps of 48, 24, 12, 6 and 3,
    the last of which an unpadded 3x3 pool still fits; NN2's 224 ends in 7.
    """

    table: tuple[Row, ...]
    graph: Graph
    compute: Compute = Compute()

    @nn.compact
    def __call__(self, images: jax.Array, rows: Rows, *, train: bool) -> jax.Array:
        x = self.compute.cast(images * self.graph.pixel_range)
        for stem in (InceptionTrunk._stem_7x7, InceptionTrunk._stem_3x3):
            x = self.compute.block(partial(stem, train=train), self, x, rows)
        call = partial(InceptionBlock.__call__, train=train)
        for row in self.table:
            block = InceptionBlock(row, self.graph, name=f"inception_{row.name}")
            x = self.compute.block(call, block, x, rows)
        return x.mean((1, 2), dtype=jnp.float32)

    def _stem_7x7(self, x: jax.Array, rows: Rows, *, train: bool) -> jax.Array:
        graph, unit = self.graph, unit_of(self.graph)
        x = unit(64, 7, 2, name="stem_7x7")(x, rows, train=train)
        x = pool_3x3(max_pool, x, graph.stem_pool)
        return local_response_norm(x, graph.lrn_alpha)

    def _stem_3x3(self, x: jax.Array, rows: Rows, *, train: bool) -> jax.Array:
        graph, unit = self.graph, unit_of(self.graph)
        x = unit(64, 1, name="stem_1x1")(x, rows, train=train)
        x = unit(192, 3, name="stem_3x3")(x, rows, train=train)
        x = local_response_norm(x, graph.lrn_alpha)
        return pool_3x3(max_pool, x, graph.stem_pool)

    def check_size(self, height: int, width: int) -> None:
        """Raises InputError for images that the network cannot take."""
        fits = all(n % 32 == 0 and n >= 96 for n in (height, width))
        require_size(fits, height, width, "multiples of 32, 96 or more")
