"""Multiplying and adding by channels, taken into the weights of what stands beside.

Batch normalisation of a trained network is x * factor + shift: behind a convolution
with kernel W and bias b it is one with kernel W * factor and bias b * factor + shift.
"""

from typing import NamedTuple

import numpy as np

from cl_facenet.export.graph import Graph, Node


class Affine(NamedTuple):
    """x * scale + shift, each of one number or of one a channel, float64 [1] or [C]."""

    source: str
    scale: np.ndarray
    shift: np.ndarray


PRODUCTS = ("Conv", "Gemm")


def fold(graph: Graph) -> None:
    """Folds whatever can be, and drops the nodes that are folded."""
    _merge_chains(graph)
    while _fold_behind(graph):
        pass
    while _fold_before(graph):
        pass


def _affine(graph: Graph, node: Node) -> Affine | None:
    """What a node does, if it is an affine map by channels."""
    if node.op == "Neg":
        return Affine(node.inputs[0], -np.ones(1), np.zeros(1))
    if node.op not in ("Add", "Sub", "Mul", "Div"):
        return None
    first, second = (graph.constants.get(name) for name in node.inputs)
    constant = _by_channel(first if second is None else second)
    if constant is None or (node.op == "Div" and second is None):
        return None
    source = node.inputs[1 if second is None else 0]
    if node.op in ("Mul", "Div"):
        scale = constant if node.op == "Mul" else 1 / constant
        return Affine(source, scale, np.zeros(1))
    negated = node.op == "Sub" and second is None
    added = -constant if node.op == "Sub" and not negated else constant
    return Affine(source, -np.ones(1) if negated else np.ones(1), added)


def _by_channel(constant: np.ndarray | None) -> np.ndarray | None:
    """float64 [1] or [C] of a constant that differs by channels at most: axis 1."""
    if constant is None or constant.dtype != np.float32:
        return None
    if constant.size != 1 and constant.shape[1] != constant.size:
        return None
    return constant.astype(np.float64).reshape(-1)


def _only_users(graph: Graph) -> dict[str, tuple[Node, Affine]]:
    """The affine map behind a value, for each value that nothing else reads."""
    users = graph.users()
    maps = [(node, _affine(graph, node)) for node in graph.nodes]
    return {
        affine.source: (node, affine)
        for node, affine in maps
        if affine is not None and users[affine.source] == 1
    }


def _merge_chains(graph: Graph) -> None:
    """Makes one multiplication and one addition, at most, of several in a row."""
    behind = _only_users(graph)
    makers = graph.makers()
    for node in list(graph.nodes):
        first = _affine(graph, node)
        if first is None or _is_continued(graph, makers, behind, first.source):
            continue
        chain, total = [node], first
        while chain[-1].outputs[0] in behind:
            following, affine = behind[chain[-1].outputs[0]]
            chain.append(following)
            scale, shift = affine.scale, affine.shift
            total = Affine(
                total.source, total.scale * scale, total.shift * scale + shift
            )
        _rewrite(graph, chain, total)


def _is_continued(
    graph: Graph,
    makers: dict[str, Node],
    behind: dict[str, tuple[Node, Affine]],
    source: str,
) -> bool:
    """Whether an affine map of this value is not the first of its chain."""
    maker = makers.get(source)
    return maker is not None and source in behind and bool(_affine(graph, maker))


def _rewrite(graph: Graph, chain: list[Node], total: Affine) -> None:
    """Puts an affine map where a chain of them ends."""
    read = [graph.constants.get(name) for node in chain for name in node.inputs]
    rank = max((array.ndim for array in read if array is not None), default=0)
    place = graph.nodes.index(chain[-1])
    name, made = total.source, []
    for op, numbers, idle in (("Mul", total.scale, 1), ("Add", total.shift, 0)):
        if (numbers == idle).all():
            continue
        shape = (1, -1, *[1] * (rank - 2)) if numbers.size > 1 else ()
        constant = graph.constant(numbers.reshape(shape), np.float32)
        made.append(Node(op, [name, constant], [graph.name(op)]))
        name = made[-1].outputs[0]
    if len(made) >= len(chain):
        return
    graph.nodes[place + 1 : place + 1] = made
    for node in chain:
        graph.nodes.remove(node)
    graph.replace(chain[-1].outputs[0], name)


def _fold_behind(graph: Graph) -> bool:
    """Takes affine maps into the products that they stand behind."""
    behind, found = _only_users(graph), False
    for node in [node for node in graph.nodes if node.op in PRODUCTS]:
        if node.outputs[0] not in behind:
            continue
        user, (_, scale, shift) = behind[node.outputs[0]]
        weights, bias = weights_of(graph, node)
        scales = scale.reshape(-1, *[1] * (weights.ndim - 1))
        set_weights(graph, node, weights * scales, bias * scale + shift)
        node.outputs = user.outputs
        graph.nodes.remove(user)
        found = True
    return found


def _fold_before(graph: Graph) -> bool:
    """Takes affine maps into the products that alone read them.

    A shift of padded images stays: the zeros around them are not shifted.
    """
    users, makers, found = graph.users(), graph.makers(), False
    for node in [node for node in graph.nodes if node.op in PRODUCTS]:
        maker = makers.get(node.inputs[0])
        affine = _affine(graph, maker) if maker else None
        if maker is None or affine is None or users[node.inputs[0]] > 1:
            continue
        padded = any(node.attributes.get("pads", []))
        grouped = node.attributes.get("group", 1) != 1
        if grouped or (padded and affine.shift.any()):
            continue
        weights, bias = weights_of(graph, node)
        across = (1, -1, *[1] * (weights.ndim - 2))
        scaled = weights * affine.scale.reshape(across)
        shifted = weights * affine.shift.reshape(across)
        shifts = shifted.sum(tuple(range(1, weights.ndim)))
        set_weights(graph, node, scaled, bias + shifts)
        node.inputs[0] = affine.source
        graph.nodes.remove(maker)
        found = True
    return found


def weights_of(graph: Graph, node: Node) -> tuple[np.ndarray, np.ndarray]:
    """The weights [O, I, ...] and the bias [O] of a product, float64."""
    weights, *bias = (graph.constants[n].astype(np.float64) for n in node.inputs[1:])
    weights = weights if node.op == "Conv" else weights.T
    return weights, bias[0] if bias else np.zeros(len(weights))


def set_weights(
    graph: Graph, node: Node, weights: np.ndarray, bias: np.ndarray
) -> None:
    """Gives a product other weights [O, I, ...] and another bias [O]."""
    weights = weights if node.op == "Conv" else weights.T
    node.inputs[1:] = [
        graph.constant(np.ascontiguousarray(array), np.float32)
        for array in (weights, bias)
    ]
