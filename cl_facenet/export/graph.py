"""An ONNX graph under construction: nodes in order, and the constants they read."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Node:
    """An operator of ONNX between named values; only Split has several outputs."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)


class Graph:
    """Nodes, each behind those whose outputs it reads.

    Attributes:
      nodes: in an order in which they can be computed.
      constants: arrays by name.
      shapes: of the values that were JAX's, in ONNX's order; the first axis is images.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[str, np.ndarray] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._names = 0

    def name(self, kind: str) -> str:
        """A name that no other value has."""
        self._names += 1
        return f"{kind.lower()}_{self._names}"

    def constant(self, array: Any, dtype: Any = None) -> str:
        """The name of a new constant."""
        name = self.name("constant")
        self.constants[name] = np.asarray(array, dtype)
        return name

    def integers(self, numbers: Any) -> str:
        """The name of a new constant as shapes and axes are: int64 [n]."""
        return self.constant(list(map(int, numbers)), np.int64)

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """The output of a new node."""
        return self.add_many(op, 1, *inputs, **attributes)[0]

    def add_many(self, op: str, outputs: int, *inputs: str, **attributes: Any) -> Any:
        """The outputs of a new node that has several."""
        names = [self.name(op) for _ in range(outputs)]
        self.nodes.append(Node(op, list(inputs), names, attributes))
        return names

    def users(self) -> Counter[str]:
        """How often each value is read."""
        return Counter(name for node in self.nodes for name in node.inputs)

    def makers(self) -> dict[str, Node]:
        """The node that each value comes from."""
        return {name: node for node in self.nodes for name in node.outputs}

    def replace(self, old: str, new: str) -> None:
        """Makes all readers of one value read another, of the same shape."""
        if old in self.shapes:
            self.shapes[new] = self.shapes[old]
        for node in self.nodes:
            node.inputs = [new if name == old else name for name in node.inputs]

    def prune(self, output: str) -> None:
        """Drops what the output does not depend on."""
        needed, kept = {output}, []
        for node in reversed(self.nodes):
            if needed & set(node.outputs):
                needed.update(node.inputs)
                kept.append(node)
        self.nodes = kept[::-1]
        self.constants = {n: a for n, a in self.constants.items() if n in needed}
