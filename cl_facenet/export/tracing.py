"""From a function of images to a graph: its jaxpr, equation by equation."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

from cl_facenet.export.axes import order
from cl_facenet.export.graph import INPUT, Node, Value, node
from cl_facenet.export.operators import Call, translate

# Of images, in the trace. The graph takes any number: no translation lets it through.
TRACED_IMAGES = 7

# Where primitives that only call another program keep it.
_CALLS = {
    "jit": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}


def trace(function: Callable[[jax.Array], jax.Array], size: int) -> tuple[Node, int]:
    """The graph of a function of uint8 images [N, size, size, 3] to [N, D].

    Returns:
      The last node of the graph, whose input is the images; D.

    Raises:
      InputError: the function has a primitive that has no translation.
    """
    shape = (TRACED_IMAGES, size, size, 3)
    program = jax.make_jaxpr(function)(jax.ShapeDtypeStruct(shape, np.uint8))
    images = node("Transpose", Node(INPUT), perm=list(order(4)))
    (vectors,) = _run(program, [images])
    assert isinstance(vectors, Node)
    return vectors, program.out_avals[0].shape[1]


def _run(program: ClosedJaxpr, inputs: Sequence[Value]) -> list[Value]:
    """A program's outputs; what does not depend on the images is computed at once."""
    jaxpr = program.jaxpr
    known: dict[Any, Value] = dict(zip(jaxpr.invars, inputs, strict=True))
    known |= zip(jaxpr.constvars, map(np.asarray, program.consts), strict=True)

    def value(atom: Any) -> Value:
        return np.asarray(atom.val) if isinstance(atom, Literal) else known[atom]

    for equation in jaxpr.eqns:
        outputs = _step(equation, [value(atom) for atom in equation.invars])
        known |= zip(equation.outvars, outputs, strict=True)
    return [value(atom) for atom in jaxpr.outvars]


def _step(equation: Any, inputs: list[Value]) -> Sequence[Value]:
    """What one equation gives."""
    name, params = equation.primitive.name, equation.params
    if name == "platform_index":  # the definition of an operation, no CPU's way to it
        return [np.asarray(params["platforms"].index(None))]
    if name in _CALLS:
        return _run(params[_CALLS[name]], inputs)
    if name == "cond" and isinstance(inputs[0], np.ndarray):
        return _run(params["branches"][int(inputs[0])], inputs[1:])
    if any(isinstance(value, Node) for value in inputs):
        shape, out = equation.invars[0].aval.shape, equation.outvars[0].aval
        return translate(Call(name, params, shape, out), inputs)
    return _compute(equation, inputs)


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
