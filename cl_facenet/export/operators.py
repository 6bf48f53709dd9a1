"""JAX's primitives as operators of ONNX."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from cl_facenet.errors import InputError
from cl_facenet.export.graph import Graph
from cl_facenet.export.layout import arrange, operand, order, place, placed

ELEMENTWISE = {
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "div": "Div",
    "max": "Max",
    "min": "Min",
    "gt": "Greater",
    "neg": "Neg",
    "sqrt": "Sqrt",
}


@dataclass(frozen=True)
class Tensor:
    """A value that depends on the images: its name in ONNX, its shape in JAX."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype


Value = np.ndarray | Tensor


@dataclass(frozen=True)
class Call:
    """One primitive at work; `out` is the shape and type of its first output."""

    primitive: str
    inputs: Sequence[Value]
    params: dict[str, Any]
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

    @property
    def x(self) -> Tensor:
        """The first input, which has to depend on the images."""
        first = self.inputs[0]
        self.require(isinstance(first, Tensor), "of a constant and a map")
        assert isinstance(first, Tensor)
        return first

    def fixed(self, number: int) -> np.ndarray:
        """An input that has to be a constant."""
        value = self.inputs[number]
        self.require(isinstance(value, np.ndarray), "with what depends on the images")
        assert isinstance(value, np.ndarray)
        return value


def translate(graph: Graph, call: Call) -> list[str]:
    """Adds what a primitive does to the graph, and names its outputs.

    Raises:
      InputError: the primitive, or this use of it, has no translation.
    """
    if call.primitive in ELEMENTWISE:
        return [_elementwise(graph, call)]
    if call.primitive == "split":
        return _split(graph, call)
    call.require(call.primitive in _OPERATORS, "at all")
    return [_OPERATORS[call.primitive](graph, call)]


def _operands(graph: Graph, call: Call) -> list[str]:
    """The inputs of an operation element by element."""
    names = []
    for value in call.inputs:
        if isinstance(value, np.ndarray):
            value = operand(value)
            call.require(value.shape[:1] in ((), (1,)), "with a constant an image")
            names.append(graph.constant(value))
        else:
            names.append(value.name)
    return names


def _elementwise(graph: Graph, call: Call) -> str:
    maps = [value for value in call.inputs if isinstance(value, Tensor)]
    constants = [value for value in call.inputs if isinstance(value, np.ndarray)]
    if constants and not constants[0].any():
        if call.primitive == "max":
            return graph.add("Relu", maps[0].name)
        if call.primitive == "add":
            return maps[0].name
    return graph.add(ELEMENTWISE[call.primitive], *_operands(graph, call))


def _square(graph: Graph, call: Call) -> str:
    return graph.add("Mul", call.x.name, call.x.name)


def _rsqrt(graph: Graph, call: Call) -> str:
    return graph.add("Reciprocal", graph.add("Sqrt", call.x.name))


def _select(graph: Graph, call: Call) -> str:
    call.require(len(call.inputs) == 3, "between more than two")
    which, no, yes = _operands(graph, call)
    return graph.add("Where", which, yes, no)


def _convert(graph: Graph, call: Call) -> str:
    import onnx

    if call.out.dtype == call.x.dtype:
        return call.x.name
    to = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(call.out.dtype))
    return graph.add("Cast", call.x.name, to=to)


def _conv(graph: Graph, call: Call) -> str:
    params, kernel = call.params, call.fixed(1)
    numbers = tuple(map(tuple, params["dimension_numbers"]))
    nhwc = ((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
    call.require(numbers == nhwc, "but for NHWC and HWIO")
    call.require(
        set(params["lhs_dilation"]) == {1} and params["batch_group_count"] == 1,
        "with a dilated input or groups of images",
    )
    return graph.add(
        "Conv",
        call.x.name,
        graph.constant(kernel.transpose(3, 2, 0, 1)),
        strides=_ints(params["window_strides"]),
        pads=_pads(params["padding"]),
        dilations=_ints(params["rhs_dilation"]),
        group=int(params["feature_group_count"]),
    )


def _dot(graph: Graph, call: Call) -> str:
    """A product over the last axis: of a map it is a convolution of 1x1."""
    (own, others), batch = call.params["dimension_numbers"]
    matrix, rank = call.fixed(1), len(call.x.shape)
    call.require(
        tuple(own) == (rank - 1,) and not any(batch) and matrix.ndim == 2,
        "but for x @ matrix",
    )
    matrix = matrix if tuple(others) == (0,) else matrix.T
    if rank == 4:
        kernel = graph.constant(matrix.T[:, :, None, None])
        square = {"strides": [1, 1], "pads": [0] * 4, "dilations": [1, 1], "group": 1}
        return graph.add("Conv", call.x.name, kernel, **square)
    call.require(rank == 2, "of these shapes")
    return graph.add("Gemm", call.x.name, graph.constant(matrix))


def _max_pool(graph: Graph, call: Call) -> str:
    params = call.params
    windows = [params[key] for key in ("window_dimensions", "window_strides")]
    call.require(
        len(call.x.shape) == 4
        and all(window[axis] == 1 for window in windows for axis in (0, 3))
        and not np.any([params["padding"][axis] for axis in (0, 3)])
        and set(params["base_dilation"]) == set(params["window_dilation"]) == {1},
        "but over rows and columns",
    )
    size, strides = (_ints(window[1:3]) for window in windows)
    pads = _pads(params["padding"][1:3])
    return graph.add(
        "MaxPool", call.x.name, kernel_shape=size, strides=strides, pads=pads
    )


def _sum(graph: Graph, call: Call) -> str:
    axes, rank = call.params["axes"], len(call.x.shape)
    call.require(0 not in axes, "over images")
    places = graph.integers(sorted(place(axis, rank) for axis in axes))
    total = graph.add("ReduceSum", call.x.name, places, keepdims=0)
    return _without(graph, total, rank, axes)


def _squeeze(graph: Graph, call: Call) -> str:
    axes, rank = call.params["dimensions"], len(call.x.shape)
    call.require(0 not in axes, "of the axis of images")
    places = graph.integers(sorted(place(axis, rank) for axis in axes))
    return _without(graph, graph.add("Squeeze", call.x.name, places), rank, axes)


def _without(graph: Graph, name: str, rank: int, axes: Sequence[int]) -> str:
    """Orders the axes that are left when some are gone."""
    left = [axis for axis in range(rank) if axis not in axes]
    have = [axis for axis in order(rank) if axis in left]
    return arrange(graph, name, have, [left[axis] for axis in order(len(left))])


def _reshape(graph: Graph, call: Call) -> str:
    before, after = call.x.shape, tuple(call.out.shape)
    call.require(before[0] == after[0], "across images")
    rows = arrange(graph, call.x.name, order(len(before)), range(len(before)))
    same = graph.add("Reshape", rows, graph.integers((0, *after[1:])))
    return arrange(graph, same, range(len(after)), order(len(after)))


def _transpose(graph: Graph, call: Call) -> str:
    perm = call.params["permutation"]
    call.require(perm[0] == 0, "of the axis of images")
    rank = len(perm)
    return arrange(
        graph, call.x.name, order(rank), [perm[axis] for axis in order(rank)]
    )


def _broadcast(graph: Graph, call: Call) -> str:
    before, after = call.x.shape, tuple(call.out.shape)
    goes_to = list(call.params["broadcast_dimensions"])
    call.require(goes_to[0] == 0 and before[0] == after[0], "along images")
    rank = len(after)
    want = [goes_to.index(axis) for axis in order(rank) if axis in goes_to]
    name = arrange(graph, call.x.name, order(len(before)), want)
    new = [place(axis, rank) for axis in range(rank) if axis not in goes_to]
    if new:
        name = graph.add("Unsqueeze", name, graph.integers(sorted(new)))
    grown = prod(after) != prod(before)
    full = placed((1, *after[1:]), rank)  # 1: as many as there are
    return graph.add("Expand", name, graph.integers(full)) if grown else name


def _pad(graph: Graph, call: Call) -> str:
    rank, config = len(call.x.shape), call.params["padding_config"]
    call.require(not any(between for _, _, between in config), "between elements")
    call.require(not any(config[0]), "along images")
    if not np.any(config):
        return call.x.name
    pads = [placed([axis[end] for axis in config], rank) for end in (0, 1)]
    value = graph.constant(call.fixed(1))
    return graph.add("Pad", call.x.name, graph.integers(pads[0] + pads[1]), value)


def _slice(graph: Graph, call: Call) -> str:
    shape, params = call.x.shape, call.params
    starts, ends = params["start_indices"], params["limit_indices"]
    steps = params["strides"] or (1,) * len(shape)
    cut = [a for a in range(len(shape)) if call.out.shape[a] != shape[a]]
    call.require(0 not in cut, "along images")
    if not cut:
        return call.x.name
    places = [place(axis, len(shape)) for axis in cut]
    chosen = [[numbers[axis] for axis in cut] for numbers in (starts, ends)]
    arguments = (*chosen, places, [steps[axis] for axis in cut])
    return graph.add("Slice", call.x.name, *map(graph.integers, arguments))


def _split(graph: Graph, call: Call) -> list[str]:
    axis, sizes = call.params["axis"], call.params["sizes"]
    call.require(axis != 0, "along images")
    if len(sizes) == 1:
        return [call.x.name]
    axis = place(axis, len(call.x.shape))
    lengths = graph.integers(sizes)
    return graph.add_many("Split", len(sizes), call.x.name, lengths, axis=axis)


def _concatenate(graph: Graph, call: Call) -> str:
    axis = call.params["dimension"]
    call.require(axis != 0, "along images")
    names = []
    for part in call.inputs:
        call.require(isinstance(part, Tensor), "with constants")
        assert isinstance(part, Tensor)
        names.append(part.name)
    if len(names) == 1:
        return names[0]
    return graph.add("Concat", *names, axis=place(axis, len(call.out.shape)))


def _ints(numbers: Sequence[int]) -> list[int]:
    return [int(n) for n in numbers]


def _pads(pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Pairs (before, after) for each axis: ONNX has all befores first."""
    return [int(pair[end]) for end in (0, 1) for pair in pairs]


_OPERATORS: dict[str, Callable[[Graph, Call], str]] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "conv_general_dilated": _conv,
    "convert_element_type": _convert,
    "dot_general": _dot,
    "pad": _pad,
    "reduce_sum": _sum,
    "reduce_window_max": _max_pool,
    "reshape": _reshape,
    "rsqrt": _rsqrt,
    "select_n": _select,
    "slice": _slice,
    "square": _square,
    "squeeze": _squeeze,
    "transpose": _transpose,
}
