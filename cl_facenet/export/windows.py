"""Sums over windows, found again where they are written as sums of shifted slices.

For JAX these slices are one loop; ONNX's runtimes would write out each of them. They
are average pools, of maps whose padding counts, times the size of a window.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from cl_facenet.export.graph import Graph, Node

Window = dict[str, list[int]]  # kernel_shape and strides, of two axes; pads, of ends


@dataclass(frozen=True)
class Cut:
    """A slice along one axis."""

    source: str
    start: int
    axis: int
    step: int


def find_windows(graph: Graph) -> None:
    """Makes pools of sums over windows, along rows, columns or channels."""
    users = graph.users()
    for node in [node for node in graph.nodes if node.op == "Add"]:
        read_by_sums = users[node.outputs[0]] == 1 and _is_summed(graph, node)
        cuts = None if read_by_sums else _cuts(graph, node)
        if cuts is not None and _are_windows(graph, cuts, node.outputs[0]):
            _pool(graph, node, cuts)


def _is_summed(graph: Graph, node: Node) -> bool:
    """Whether a sum is a part of a greater one of the same slices."""
    (reader,) = (n for n in graph.nodes if node.outputs[0] in n.inputs)
    return reader.op == "Add" and _cuts(graph, reader) is not None


def _cuts(graph: Graph, node: Node) -> list[Cut] | None:
    """The slices that a node adds up, if it adds up nothing else."""
    makers, found = graph.makers(), []
    for name in node.inputs:
        maker = makers.get(name)
        if maker is None or maker.op not in ("Add", "Slice"):
            return None
        if maker.op == "Add":
            cuts = _cuts(graph, maker)
            if cuts is None:
                return None
            found += cuts
            continue
        start, _, axis, step = (graph.constants[name] for name in maker.inputs[1:])
        if len(axis) > 1:
            return None
        found.append(Cut(maker.inputs[0], int(start[0]), int(axis[0]), int(step[0])))
    return found


def _are_windows(graph: Graph, cuts: list[Cut], total: str) -> bool:
    """Whether slices are the places, in order, of all windows of a map."""
    first, length = cuts[0], len(cuts)
    shape = graph.shapes.get(first.source, ())
    if len(shape) != 4 or cuts != [
        Cut(first.source, start, first.axis, first.step) for start in range(length)
    ]:
        return False
    windows = (shape[first.axis] - length) // first.step + 1
    along_channels = first.axis == 1
    return graph.shapes[total][first.axis] == windows and (
        not along_channels or first.step == 1
    )


def _pool(graph: Graph, node: Node, cuts: list[Cut]) -> None:
    """Puts an average pool, and what it has to be multiplied by, in a sum's place."""
    before = len(graph.nodes)
    source, pads = _unpadded(graph, cuts[0])
    along_channels = cuts[0].axis == 1
    if along_channels:  # they become the rows of a map whose columns are all places
        channels, *places = graph.shapes[source][1:]
        rows = graph.integers((0, 1, channels, prod(places)))
        source = graph.add("Reshape", source, rows)
    place = 0 if along_channels else cuts[0].axis - 2
    source, window = _joined(graph, source, _window(place, cuts, pads))
    mean = graph.add("AveragePool", source, **window, count_include_pad=1)
    total = graph.add(
        "Mul", mean, graph.constant(prod(window["kernel_shape"]), np.float32)
    )
    if along_channels:
        shape = graph.shapes[node.outputs[0]]
        total = graph.add("Reshape", total, graph.integers((0, *shape[1:])))
    _move(graph, before, node)
    graph.replace(node.outputs[0], total)


def _window(place: int, cuts: list[Cut], pads: tuple[int, int]) -> Window:
    """A window along rows (place 0) or along columns (1)."""
    window: Window = {"kernel_shape": [1, 1], "strides": [1, 1], "pads": [0] * 4}
    window["kernel_shape"][place] = len(cuts)
    window["strides"][place] = cuts[0].step
    window["pads"][place::2] = pads
    return window


def _joined(graph: Graph, source: str, window: Window) -> tuple[str, Window]:
    """One window of two, where the map is itself a pool, along the other axis."""
    makers = graph.makers()
    times = makers.get(source)
    if times is None or times.op != "Mul":
        return source, window
    pool = makers.get(times.inputs[0])
    if pool is None or pool.op != "AveragePool":
        return source, window
    kernel, other = window["kernel_shape"], pool.attributes["kernel_shape"]
    if min(kernel[0], other[0]) > 1 or min(kernel[1], other[1]) > 1:
        return source, window
    # Where one of them has a size, the other has the least that there is.
    both = {key: list(map(max, window[key], pool.attributes[key])) for key in window}
    return pool.inputs[0], both


def _unpadded(graph: Graph, cut: Cut) -> tuple[str, tuple[int, int]]:
    """What a map was before zeros came around it on one axis, and how many."""
    maker = graph.makers().get(cut.source)
    if maker is None or maker.op != "Pad" or graph.constants[maker.inputs[2]].any():
        return cut.source, (0, 0)
    pads = graph.constants[maker.inputs[1]].reshape(2, 4)
    if np.delete(pads, cut.axis, 1).any() or (pads < 0).any():
        return cut.source, (0, 0)
    return maker.inputs[0], (int(pads[0, cut.axis]), int(pads[1, cut.axis]))


def _move(graph: Graph, start: int, node: Node) -> None:
    """Moves nodes from the end to where a node is that they replace."""
    made = graph.nodes[start:]
    del graph.nodes[start:]
    place = graph.nodes.index(node)
    graph.nodes[place : place + 1] = made
