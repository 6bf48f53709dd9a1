"""An ONNX graph: operators that hold the operators whose outputs they read."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import onnx

Value: TypeAlias = "Node | np.ndarray"

INPUT = "Input"  # the operator of what is fed to a graph


@dataclass(frozen=True, eq=False)
class Node:
    """An operator of ONNX with one output.

    A graph is its last node: what that does not reach is no part of it. So no node is
    ever changed or removed: a better one is made, and read in its place.

    Attributes:
      op: ONNX's name of the operator, or INPUT.
      inputs: nodes and constants, in ONNX's order.
    """

    op: str
    inputs: tuple[Value, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)


def node(op: str, *inputs: Value, **attributes: Any) -> Node:
    """A node, written as a call."""
    return Node(op, inputs, attributes)


def integers(*numbers: int) -> np.ndarray:
    """int64 [n], as ONNX wants shapes and axes."""
    return np.array(numbers, np.int64)


def graph_proto(
    last: Node, given: "onnx.ValueInfoProto", made: "onnx.ValueInfoProto"
) -> "onnx.GraphProto":
    """A graph with its constants in ONNX's own terms, where every value has a name.

    Args:
      given: name, type and shape of what is fed to the graph.
      made: those of what its last node gives.
    """
    import onnx

    names: dict[int, str] = {}  # by identity: arrays have no hash
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def name_of(value: Value) -> str:
        if isinstance(value, np.ndarray) and id(value) not in names:
            name = names[id(value)] = f"constant_{len(constants)}"
            constants.append(onnx.numpy_helper.from_array(value, name))
        return names[id(value)]

    for number, own in enumerate(_in_order(last)):
        if own.op == INPUT:
            names[id(own)] = given.name
            continue
        inputs = [name_of(value) for value in own.inputs]
        name = made.name if own is last else f"{own.op.lower()}_{number}"
        names[id(own)] = name
        nodes.append(onnx.helper.make_node(own.op, inputs, [name], **own.attributes))
    return onnx.helper.make_graph(nodes, "embedder", [given], [made], constants)


def _in_order(last: Node) -> list[Node]:
    """The nodes of a graph, each behind those that it reads."""
    ordered: dict[Node, None] = {}
    stack = [last]
    while stack:
        inputs = [value for value in stack[-1].inputs if isinstance(value, Node)]
        waiting = [value for value in inputs if value not in ordered]
        if waiting:
            stack += waiting
        else:
            ordered[stack.pop()] = None
    return list(ordered)
