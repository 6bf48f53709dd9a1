"""Where the axes of JAX's arrays are in ONNX's.

Maps are [B, H, W, C] in this codebase and [B, C, H, W] in ONNX. Every array of four
axes that depends on the images is kept in ONNX's order from the first to the last, and
the axes that operations name are translated: nothing is turned around but images, and
maps that are flattened. The first axis is always that of the images.
"""

from collections.abc import Sequence

import numpy as np

from cl_facenet.export.graph import Graph


def order(rank: int) -> list[int]:
    """JAX's axes in the order that they have in ONNX."""
    return [0, 3, 1, 2] if rank == 4 else list(range(rank))


def place(axis: int, rank: int) -> int:
    """Where an axis of JAX's is in ONNX."""
    return order(rank).index(axis)


def placed(per_axis: Sequence[int], rank: int) -> list[int]:
    """A number for each axis of JAX's, in ONNX's order."""
    return [int(per_axis[axis]) for axis in order(rank)]


def arrange(graph: Graph, name: str, have: Sequence[int], want: Sequence[int]) -> str:
    """A value with its axes, named by numbers, in the order wanted."""
    perm = [list(have).index(axis) for axis in want]
    if perm == sorted(perm):
        return name
    return graph.add("Transpose", name, perm=perm)


def operand(constant: np.ndarray) -> np.ndarray:
    """A constant for element-by-element operations with a value of its rank.

    Axes along which it does not change have length 1, so that it does not hold the
    number of images it was traced with.
    """
    for axis in range(constant.ndim):
        first = constant[(slice(None),) * axis + (slice(0, 1),)]
        if constant.strides[axis] == 0 or (constant == first).all():
            constant = first
    return np.ascontiguousarray(np.transpose(constant, order(constant.ndim)))
