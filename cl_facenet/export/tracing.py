"""From a function of images to a graph: its jaxpr, equation by equation."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

from cl_facenet.export.graph import Graph
from cl_facenet.export.layout import arrange, order, placed
from cl_facenet.export.operators import Call, Tensor, Value, translate

# Of images, in the trace. The graph takes any number: no translation lets it through.
TRACED_IMAGES = 7

# Where primitives that only call another program keep it.
_CALLS = {
    "jit": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}


def trace(
    function: Callable[[jax.Array], jax.Array], size: int
) -> tuple[Graph, str, int]:
    """The graph of a function of uint8 images [N, size, size, 3] to [N, D].

    Returns:
      The graph, whose input is called `images`; its output's name; D.

    Raises:
      InputError: the function has a primitive that has no translation.
    """
    shape = (TRACED_IMAGES, size, size, 3)
    program = jax.make_jaxpr(function)(jax.ShapeDtypeStruct(shape, np.uint8))
    graph = Graph()
    images = arrange(graph, "images", range(4), order(4))
    inputs = [Tensor(images, shape, np.dtype(np.uint8))]
    (output,) = _run(graph, program, inputs)
    assert isinstance(output, Tensor)
    return graph, output.name, output.shape[1]


def _run(graph: Graph, program: ClosedJaxpr, inputs: Sequence[Value]) -> list[Value]:
    """A program's outputs; what does not depend on the images is computed at once."""
    jaxpr = program.jaxpr
    known: dict[Any, Value] = dict(zip(jaxpr.invars, inputs, strict=True))
    known |= zip(jaxpr.constvars, map(np.asarray, program.consts), strict=True)

    def value(atom: Any) -> Value:
        return np.asarray(atom.val) if isinstance(atom, Literal) else known[atom]

    for equation in jaxpr.eqns:
        outputs = _step(graph, equation, [value(atom) for atom in equation.invars])
        known |= zip(equation.outvars, outputs, strict=True)
    return [value(atom) for atom in jaxpr.outvars]


def _step(graph: Graph, equation: Any, inputs: list[Value]) -> list[Value]:
    """What one equation gives."""
    name, params = equation.primitive.name, equation.params
    if name == "platform_index":  # the definition of an operation, no CPU's way to it
        return [np.asarray(params["platforms"].index(None))]
    if name in _CALLS:
        return _run(graph, params[_CALLS[name]], inputs)
    if name == "cond" and isinstance(inputs[0], np.ndarray):
        return _run(graph, params["branches"][int(inputs[0])], inputs[1:])
    if not any(isinstance(value, Tensor) for value in inputs):
        return _compute(equation, inputs)
    types = [variable.aval for variable in equation.outvars]
    names = translate(graph, Call(name, inputs, params, types[0]))
    outputs: list[Value] = []
    for name, of in zip(names, types, strict=True):
        graph.shapes[name] = tuple(placed(of.shape, len(of.shape)))
        outputs.append(Tensor(name, tuple(of.shape), np.dtype(of.dtype)))
    return outputs


def _compute(equation: Any, inputs: list[Value]) -> list[Value]:
    """The outputs of an equation between constants."""
    primitive, params = equation.primitive, equation.params
    if primitive.name == "broadcast_in_dim":
        # A view: a vector for each pixel of each image would fill the memory.
        (small,), shape = inputs, params["shape"]
        assert isinstance(small, np.ndarray)
        sizes = [1] * len(shape)
        for axis, size in zip(params["broadcast_dimensions"], small.shape, strict=True):
            sizes[axis] = size
        return [np.broadcast_to(small.reshape(sizes), shape)]
    outputs = primitive.bind(*inputs, **params)
    return list(map(np.asarray, outputs if primitive.multiple_results else [outputs]))
