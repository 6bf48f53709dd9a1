"""JAX's primitives that work element by element.

Some of what the networks write in several of them is one operator for ONNX: step by
step it would be as many passes over a map.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from cl_facenet.export.graph import Node, Value, node
from cl_facenet.export.products import scale, shift
from cl_facenet.export.windows import add


def _commutative(
    with_constant: Callable[[Node, np.ndarray], Node], nodes: Callable[..., Node]
) -> Callable[[Value, Value], Node]:
    """A translation by what the operands are, one of them a node at least."""

    def translate(a: Value, b: Value) -> Node:
        match a, b:
            case Node(), np.ndarray():
                return with_constant(a, b)
            case np.ndarray(), Node():
                return with_constant(b, a)
        return nodes(a, b)

    return translate


def _sub(a: Value, b: Value) -> Node:
    match a, b:
        case Node(), np.ndarray():
            return shift(a, -b)
        case (
            Node("Relu", (x,)),
            Node("Mul", (Node("Relu", (Node("Neg", (y,)),)), np.ndarray() as slope)),
        ) if x is y:
            return node("PRelu", x, slope)
    return node("Sub", a, b)


def _div(a: Value, b: Value) -> Node:
    match a, b:
        case Node(), np.ndarray():
            return scale(a, 1 / b)
    return node("Div", a, b)


def _max(a: Value, b: Value) -> Node:
    match a, b:
        case Node(), np.ndarray() if not b.any():
            return node("Relu", a)
    return node("Max", a, b)


def _square(x: Value) -> Node:
    return node("Mul", x, x)


def _rsqrt(x: Value) -> Node:
    return node("Reciprocal", node("Sqrt", x))


def _select(where: Value, no: Value, yes: Value) -> Node:
    match where, yes, no:
        # where(x > 0, sqrt(where(x > 0, x, 1)), 0) is a root, whose gradient is finite.
        case (
            Node("Greater", (Node() as x, np.ndarray() as bound)),
            Node("Sqrt", (Node("Where", (inner, y, _)),)),
            np.ndarray(),
        ) if inner is where and x is y and not (bound.any() or no.any()):
            return node("Sqrt", node("Relu", x))
    return node("Where", where, yes, no)


ELEMENTWISE: dict[str, Callable[..., Node]] = {
    "add": _commutative(shift, add),
    "div": _div,
    "gt": partial(node, "Greater"),
    "max": _max,
    "mul": _commutative(scale, partial(node, "Mul")),
    "neg": partial(node, "Neg"),
    "rsqrt": _rsqrt,
    "select_n": _select,
    "sqrt": partial(node, "Sqrt"),
    "square": _square,
    "sub": _sub,
}
