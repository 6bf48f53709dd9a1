"""Sums over windows as average pools, times the size of a window.

JAX's networks write them as sums of slices, the k-th of which holds element k of every
window. For JAX these are one loop; ONNX's runtimes would write out each of them.
"""

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from cl_facenet.export.axes import CHANNELS
from cl_facenet.export.graph import Node, integers, node


@dataclass(frozen=True)
class Windows:
    """Stretches of a map along one axis, equally far from each other.

    Attributes:
      source: the map [B, C, H, W].
      shape: of the map.
      axis: 1, 2 or 3.
      start: where the first begins.
      size: elements of each.
      step: from one to the next.
      count: how many there are.
    """

    source: Node
    shape: tuple[int, ...]
    axis: int
    start: int
    size: int
    step: int
    count: int

    @property
    def stop(self) -> int:
        """Behind the last element of the last."""
        return self.start + self.step * (self.count - 1) + self.size


@dataclass(frozen=True, eq=False)
class WindowSum(Node):
    """A node that remembers which windows it has the sums of, one sum for each."""

    windows: Windows | None = None


def strided_slice(windows: Windows) -> Node:
    """The sums over windows of size 1: a slice."""
    ends = (windows.start, windows.stop, windows.axis, windows.step)
    return WindowSum("Slice", (windows.source, *map(integers, ends)), windows=windows)


def add(a: Node, b: Node) -> Node:
    """a + b; one sum over windows, if b's go on where a's end."""
    match a, b:
        case WindowSum(windows=Windows() as head), WindowSum(windows=Windows() as tail):
            behind = replace(head, start=head.start + head.size, size=tail.size)
            if tail == behind:
                return _pool(replace(head, size=head.size + tail.size))
    return node("Add", a, b)


def _pool(windows: Windows) -> Node:
    source, places = windows.source, windows.shape[2:]
    if windows.start > 0 or windows.stop < windows.shape[windows.axis]:
        ends = (windows.start, windows.stop, windows.axis)
        source = node("Slice", source, *map(integers, ends))
    kernel, strides, along = [1, 1], [1, 1], windows.axis - 2
    if windows.axis == CHANNELS:  # these become rows of a map whose columns are places
        source, along = node("Reshape", source, integers(0, 1, -1, prod(places))), 0
    kernel[along], strides[along] = windows.size, windows.step
    mean = node("AveragePool", source, kernel_shape=kernel, strides=strides)
    if windows.axis == CHANNELS:
        mean = node("Reshape", mean, integers(0, windows.count, *places))
    size = np.array([windows.size], np.float32)
    return WindowSum("Mul", (mean, size), windows=windows)
