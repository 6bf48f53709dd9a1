"""Convolutions and matrix products, whose weights take in what stands behind them.

The batch normalisation of a trained network is x * factor + shift by channels: behind
weights W and bias b that is a product with W * factor and b * factor + shift. The
product that was there is no longer read; if it is by something else as well, which
happens in none of our networks, both are computed.
"""

from collections.abc import Sequence

import numpy as np

from cl_facenet.export.axes import CHANNELS
from cl_facenet.export.graph import Node, integers, node


def convolve(
    x: Node, kernel: np.ndarray, strides: Sequence[int], pads: Sequence[int]
) -> Node:
    """A convolution of a map x with a kernel [O, I, k, l].

    Args:
      pads: before rows, before columns, behind rows, behind columns.
    """
    bias = np.zeros(len(kernel), kernel.dtype)
    return node("Conv", x, kernel, bias, strides=list(strides), pads=list(pads))


def matmul(x: Node, matrix: np.ndarray) -> Node:
    """x [B, I] times a matrix [I, O]."""
    bias = np.zeros(matrix.shape[1], matrix.dtype)
    return node("Gemm", x, matrix.T, bias, transB=1)


def scale(x: Node, factor: np.ndarray) -> Node:
    """x * factor, made by `as_operand`."""
    match x:
        case Node(
            "Conv" | "Gemm", (source, np.ndarray() as weights, np.ndarray() as bias)
        ) if _by_channel(factor):
            factor = factor.reshape(-1)
            rows = factor.reshape(-1, *[1] * (weights.ndim - 1))
            return node(x.op, source, weights * rows, bias * factor, **x.attributes)
        case Node("Mul", (source, np.ndarray() as other)):
            return node("Mul", source, other * factor)
    return node("Mul", x, factor)


def shift(x: Node, offset: np.ndarray) -> Node:
    """x + offset, made by `as_operand`."""
    if not offset.any():
        return x
    match x:
        case Node("Conv" | "Gemm", (source, weights, np.ndarray() as bias)) if (
            _by_channel(offset)
        ):
            bias = bias + offset.reshape(-1)
            return node(x.op, source, weights, bias, **x.attributes)
    return node("Add", x, offset)


def slice_channels(x: Node, start: int, stop: int) -> Node:
    """Some channels of a map x.

    Of a convolution they are one with fewer kernels: JAX's networks make the first
    units of all branches in one product, and split the map; onnxruntime, which keeps
    maps in blocks of channels, would put them in order and back for every split.
    """
    match x:
        case Node("Relu", (Node() as source,)):
            return node("Relu", slice_channels(source, start, stop))
        case Node("Conv", (source, np.ndarray() as weights, np.ndarray() as bias)):
            own = slice(start, stop)
            return node("Conv", source, weights[own], bias[own], **x.attributes)
    return node("Slice", x, integers(start), integers(stop), integers(CHANNELS))


def _by_channel(constant: np.ndarray) -> bool:
    return constant.size == 1 or constant.size == constant.shape[CHANNELS]
