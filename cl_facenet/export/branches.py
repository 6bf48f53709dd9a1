"""Branches of a block, each with a convolution of its own.

JAX's networks make the first units of all branches in one product, and split the map.
onnxruntime keeps maps in blocks of channels, and would put them in order, and back
into blocks, for every split.
"""

from collections.abc import Iterator

import numpy as np

from cl_facenet.export.folding import set_weights, weights_of
from cl_facenet.export.graph import Graph, Node


def part_branches(graph: Graph) -> None:
    """Makes a convolution and a ReLU for each part of a map split by channels."""
    for conv, relu, split in list(_split_units(graph)):
        weights, bias = weights_of(graph, conv)
        ends = np.cumsum(graph.constants[split.inputs[1]])[:-1]
        parts = zip(
            np.split(weights, ends), np.split(bias, ends), split.outputs, strict=True
        )
        made = []
        for own_weights, own_bias, name in parts:
            product = graph.name("Conv")
            own = Node("Conv", conv.inputs[:1], [product], conv.attributes)
            set_weights(graph, own, own_weights, own_bias)
            made += [own, Node("Relu", [product], [name])]
        place = graph.nodes.index(conv)
        graph.nodes[place : place + 1] = made
        graph.nodes.remove(relu)
        graph.nodes.remove(split)


def _split_units(graph: Graph) -> Iterator[tuple[Node, Node, Node]]:
    """Convolutions, the ReLUs behind them and the splits that alone read those."""
    users, makers = graph.users(), graph.makers()
    for split in graph.nodes:
        relu = makers.get(split.inputs[0])
        if split.op != "Split" or relu is None or relu.op != "Relu":
            continue
        conv = makers.get(relu.inputs[0])
        if conv is None or conv.op != "Conv" or conv.attributes["group"] != 1:
            continue
        by_channels = split.attributes["axis"] == 1
        if by_channels and users[conv.outputs[0]] == users[relu.outputs[0]] == 1:
            yield conv, relu, split
