"""The table of a model: every layer, its output, its parameters, and the totals."""

from typing import Any

import jax
import numpy as np
from flax.linen import Module
from rich.table import Table

from cl_facenet.models.facenet import FaceNet, abstract_variables
from cl_facenet.params import HEAD, count, leaves


def summarize(model: FaceNet, image_size: int) -> Table:
    """A table of `model` for one image; nothing is computed, only shapes are traced.

    A layer is a module that holds parameters itself. The centers are a row too: they
    are trained, though no optimizer sees them.
    """
    images = jax.ShapeDtypeStruct((1, image_size, image_size, 3), np.float32)
    variables = abstract_variables(model, image_size)
    params = variables["params"]
    outputs = _output_shapes(model, variables, images)

    table = Table(
        "layer", "output", "parameters", title=f"{image_size}x{image_size} RGB"
    )
    table.columns[2].justify = "right"
    for path, layer in _layers_in_order(model, images):
        table.add_row(path, outputs.get(path, ""), f"{count(layer):,}")
    centers = [model.num_classes or 0, model.embedding_size]
    table.add_row("centers", str(centers), f"{np.prod(centers):,}")
    table.add_section()
    head = count(params.get(HEAD, {}))
    totals = {
        "trunk + embedding": count(params) - head,
        "head (logits)": head,
        "centers": int(np.prod(centers)),
        "batch statistics": count(variables["batch_stats"]),
    }
    for name, total in totals.items():
        table.add_row(name, "", f"{total:,}")
    table.add_row("total", "", f"{sum(totals.values()):,}", style="bold")
    return table


def _layers_in_order(model: FaceNet, images: Any) -> list[tuple[str, Any]]:
    """The modules that hold arrays, by path, as the network calls them."""
    layers: dict[str, dict[str, Any]] = {}

    def init(images: Any) -> None:
        # Looked at while it is traced: JAX returns dicts sorted by their keys.
        for path, array in leaves(model.init(jax.random.key(0), images)["params"]):
            layer, _, name = path.rpartition("/")
            layers.setdefault(layer, {})[name] = array

    jax.eval_shape(init, images)
    return list(layers.items())


def _output_shapes(model: Module, variables: Any, images: Any) -> dict[str, str]:
    """What every submodule returns, by path: trunk/stem_7x7/conv -> [1, 48, 48, 64]."""

    def run(variables: Any, images: Any) -> Any:
        return model.apply(variables, images, capture_intermediates=True)[1]

    captured = jax.eval_shape(run, variables, images)["intermediates"]
    shapes: dict[str, str] = {}
    for path, array in jax.tree_util.tree_leaves_with_path(captured):
        names = [str(getattr(key, "key", "")) for key in path]
        module = "/".join(names[: names.index("__call__")])
        shapes.setdefault(module, str(list(array.shape)))  # its first output
    return shapes
