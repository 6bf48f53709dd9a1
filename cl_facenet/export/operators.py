"""JAX's primitives as operators of ONNX: those that the networks are made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from cl_facenet.errors import InputError
from cl_facenet.export.axes import as_operand, order, place
from cl_facenet.export.elementwise import ELEMENTWISE
from cl_facenet.export.graph import Node, Value, integers, node
from cl_facenet.export.products import convolve, matmul, slice_channels
from cl_facenet.export.windows import Windows, strided_slice

FLOAT = 1  # ONNX's number for float32


@dataclass(frozen=True)
class Call:
    """One primitive at work.

    Attributes:
      shape: of its first input, in JAX's order.
      out: shape and type of its first output.
    """

    primitive: str
    params: Mapping[str, Any]
    shape: tuple[int, ...]
    out: Any

    def require(self, holds: bool, what: str) -> None:
        """Refuses a use of the primitive that has no translation here.

        Raises:
          InputError: it does not hold.
        """
        if not holds:
            raise InputError(
                f"ONNX: JAX's primitive {self.primitive} is not translated {what}"
            )


def translate(call: Call, inputs: Sequence[Value]) -> list[Node]:
    """The outputs of a primitive of which an input or more depend on the images.

    Raises:
      InputError: the primitive, or this use of it, has no translation.
    """
    if call.primitive in ELEMENTWISE:
        inputs = [as_operand(x) if isinstance(x, np.ndarray) else x for x in inputs]
        for x in inputs:
            alike = isinstance(x, Node) or len(x) == 1
            call.require(alike, "with a constant an image")
        return [ELEMENTWISE[call.primitive](*inputs)]
    if call.primitive == "concatenate":
        return [_concatenate(call, inputs)]
    call.require(call.primitive in _OPERATORS, "at all")
    x, *constants = inputs
    fixed = isinstance(x, Node) and not any(isinstance(c, Node) for c in constants)
    call.require(fixed, "of more than one input that depends on the images")
    made = _OPERATORS[call.primitive](call, x, *constants)
    return made if isinstance(made, list) else [made]


def _convert(call: Call, x: Node) -> Node:
    call.require(call.out.dtype == np.float32, "but to float32")
    return node("Cast", x, to=FLOAT)


def _conv(call: Call, x: Node, kernel: np.ndarray) -> Node:
    params = call.params
    nhwc = params["dimension_numbers"] == ((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
    call.require(nhwc, "but for NHWC and HWIO")
    dilations = {*params["lhs_dilation"], *params["rhs_dilation"]}
    groups = {params["feature_group_count"], params["batch_group_count"]}
    call.require(dilations == groups == {1}, "with dilations or groups")
    pads = _pads(params["padding"])
    return convolve(x, kernel.transpose(3, 2, 0, 1), params["window_strides"], pads)


def _dot(call: Call, x: Node, matrix: np.ndarray) -> Node:
    """Over the last axis; of a map that is a convolution of 1x1."""
    rank = len(call.shape)
    last_with_first = call.params["dimension_numbers"] == (
        ((rank - 1,), (0,)),
        ((), ()),
    )
    call.require(last_with_first and matrix.ndim == 2, "but for x @ matrix")
    call.require(rank in (2, 4), "but for vectors and maps")
    if rank == 2:
        return matmul(x, matrix)
    return convolve(x, matrix.T[:, :, None, None], (1, 1), (0, 0, 0, 0))


def _max_pool(call: Call, x: Node) -> Node:
    params = call.params
    sizes, strides = params["window_dimensions"], params["window_strides"]
    padding = params["padding"]
    over_places = sizes[::3] == strides[::3] == (1, 1) and not np.any(padding[::3])
    dilations = {*params["base_dilation"], *params["window_dilation"]}
    call.require(len(sizes) == 4 and over_places, "but over rows and columns")
    call.require(dilations == {1}, "with dilations")
    size, stride, pads = list(sizes[1:3]), list(strides[1:3]), _pads(padding[1:3])
    return node("MaxPool", x, kernel_shape=size, strides=stride, pads=pads)


def _sum(call: Call, x: Node) -> Node:
    axes, rank = call.params["axes"], len(call.shape)
    left = [axis for axis in order(rank) if axis not in axes]
    call.require(0 in left, "over images")
    call.require(left == sorted(left), "over some of rows and columns")
    places = sorted(place(axis, rank) for axis in axes)
    return node("ReduceSum", x, integers(*places), keepdims=0)


def _reshape(call: Call, x: Node) -> Node:
    before, after = call.shape, call.out.shape
    call.require(before[0] == after[0], "across images")
    call.require(len(after) < 4, "to a map")
    if len(before) == 4:
        x = node("Transpose", x, perm=[0, 2, 3, 1])
    return node("Reshape", x, integers(0, *after[1:]))


def _broadcast(call: Call, x: Node) -> Node:
    kept, after = call.params["broadcast_dimensions"], call.out.shape
    new = [axis for axis in range(len(after)) if axis not in kept]
    longer = prod(after) == prod(call.shape) and len(after) < 4 and 0 in kept
    call.require(longer, "but to new axes of length 1, of vectors")
    return node("Unsqueeze", x, integers(*new))


def _pad(call: Call, x: Node, value: np.ndarray) -> Node:
    config = call.params["padding_config"]
    call.require(not any(between for _, _, between in config), "between elements")
    call.require(not any(config[0]), "along images")
    if not np.any(config):
        return x
    ordered = [config[axis] for axis in order(len(config))]
    return node("Pad", x, integers(*_pads(ordered)), value)


def _slice(call: Call, x: Node) -> Node:
    params, shape, count = call.params, call.shape, call.out.shape
    cut = [axis for axis in range(len(shape)) if count[axis] != shape[axis]]
    one = len(shape) == 4 and len(cut) == 1 and cut != [0]
    call.require(one, "but along rows, columns or channels")
    (axis,) = cut
    start, step = params["start_indices"][axis], (params["strides"] or [1] * 4)[axis]
    ordered = tuple(shape[axis] for axis in order(4))
    return strided_slice(
        Windows(x, ordered, place(axis, 4), start, 1, step, count[axis])
    )


def _split(call: Call, x: Node) -> list[Node]:
    call.require(call.params["axis"] == 3, "but along the channels of a map")
    ends = np.cumsum(call.params["sizes"]).tolist()
    return [slice_channels(x, *own) for own in zip([0, *ends], ends, strict=False)]


def _concatenate(call: Call, inputs: Sequence[Value]) -> Node:
    axis = call.params["dimension"]
    call.require(axis != 0, "along images")
    call.require(all(isinstance(x, Node) for x in inputs), "with constants")
    return node("Concat", *inputs, axis=place(axis, len(call.shape)))


def _pads(pairs: Sequence[Sequence[int]]) -> list[int]:
    """(before, behind, ...) for each axis: ONNX has all befores first."""
    return [pair[end] for end in (0, 1) for pair in pairs]


_OPERATORS: dict[str, Callable[..., Node | list[Node]]] = {
    "broadcast_in_dim": _broadcast,
    "conv_general_dilated": _conv,
    "convert_element_type": _convert,
    "dot_general": _dot,
    "pad": _pad,
    "reduce_sum": _sum,
    "reduce_window_max": _max_pool,
    "reshape": _reshape,
    "slice": _slice,
    "split": _split,
}
