"""Where the axes of JAX's arrays are in ONNX's.

Maps are [B, H, W, C] in this codebase and [B, C, H, W] in ONNX. Every array of four
axes that depends on the images has ONNX's order from the first to the last, and the
axes that primitives name are translated: nothing is transposed but images, and maps
that are flattened. The first axis is always that of the images.
"""

import numpy as np

CHANNELS = 1  # of a map, in ONNX


def order(rank: int) -> tuple[int, ...]:
    """JAX's axes in the order that they have in ONNX."""
    return (0, 3, 1, 2) if rank == 4 else tuple(range(rank))


def place(axis: int, rank: int) -> int:
    """Where an axis of JAX's is in ONNX."""
    return order(rank).index(axis)


def as_operand(constant: np.ndarray) -> np.ndarray:
    """A constant in ONNX's order, as operations element by element want it.

    Axes along which it does not change have length 1, so that it does not hold the
    number of images that was traced. A number has one axis: of arrays with none, NumPy
    computes numbers that are no arrays.
    """
    for axis in range(constant.ndim):
        first = constant[(slice(None),) * axis + (slice(0, 1),)]
        if constant.strides[axis] == 0 or (constant == first).all():
            constant = first
    return np.atleast_1d(constant.transpose(order(constant.ndim)))
