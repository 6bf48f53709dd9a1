"""Activations, found again where JAX's networks write them in steps.

In steps they are several passes over a map, some of which only mind the gradient.
"""

import numpy as np

from cl_facenet.export.graph import Graph, Node

Makers = dict[str, Node]


def find_activations(graph: Graph) -> None:
    """Writes PReLU, and the root that has no infinite slope, as ONNX has them."""
    makers = graph.makers()
    for node in graph.nodes:
        if node.op == "Sub":
            _find_prelu(graph, makers, node)
    for node in [node for node in graph.nodes if node.op == "Where"]:
        x = _under_safe_root(graph, makers, node)
        if x is not None:  # where x is above 0 its root, else 0
            positive = Node("Relu", [x], [graph.name("Relu")])
            place = graph.nodes.index(node)
            root = Node("Sqrt", positive.outputs, node.outputs)
            graph.nodes[place : place + 1] = [positive, root]


def _find_prelu(graph: Graph, makers: Makers, node: Node) -> None:
    """relu(x) - slope * relu(-x)."""
    above = _maker(makers, node.inputs[0], "Relu")
    below = _maker(makers, node.inputs[1], "Mul")
    if above is None or below is None:
        return
    slopes = [name for name in below.inputs if name in graph.constants]
    others = [name for name in below.inputs if name not in graph.constants]
    if len(slopes) != 1:
        return
    rectified = _maker(makers, others[0], "Relu")
    negated = _maker(makers, rectified.inputs[0], "Neg") if rectified else None
    if negated is not None and negated.inputs == above.inputs:
        node.op, node.inputs = "PRelu", [*above.inputs, *slopes]


def _under_safe_root(graph: Graph, makers: Makers, node: Node) -> str | None:
    """The x of where(x > 0, sqrt(where(x > 0, x, any number)), 0)."""
    root = _maker(makers, node.inputs[1], "Sqrt")
    inner = _maker(makers, root.inputs[0], "Where") if root else None
    if inner is None or not _is_zero(graph, node.inputs[2]):
        return None
    for which in (node.inputs[0], inner.inputs[0]):
        greater = _maker(makers, which, "Greater")
        if greater is None or not _is_zero(graph, greater.inputs[1]):
            return None
        if greater.inputs[0] != inner.inputs[1]:
            return None
    return inner.inputs[1]


def _maker(makers: Makers, name: str, op: str) -> Node | None:
    """The node that a value comes from, if it is of this kind."""
    node = makers.get(name)
    return node if node is not None and node.op == op else None


def _is_zero(graph: Graph, name: str) -> bool:
    return name in graph.constants and not np.any(graph.constants[name])
