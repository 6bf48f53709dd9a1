"""A trained embedder as a file that ONNX's runtimes read."""

import importlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cl_facenet.embedder import Embedder
from cl_facenet.errors import InputError
from cl_facenet.export.activations import find_activations
from cl_facenet.export.branches import part_branches
from cl_facenet.export.folding import fold
from cl_facenet.export.graph import Graph, Node
from cl_facenet.export.tracing import trace
from cl_facenet.export.windows import find_windows

if TYPE_CHECKING:
    import onnx

OUTPUT = "embeddings"
OPSET, IR_VERSION = 17, 8  # read by every onnxruntime since 1.12
TOLERANCE = 1e-4  # of the numbers in unit vectors
BATCHES = (1, 5)  # that a model is tried with before it is written


def to_onnx(embedder: Embedder) -> "onnx.ModelProto":
    """The network as an ONNX model.

    Its input `images` is uint8 [batch, S, S, 3], squares as `embedder.preprocessing`
    makes them; its output `embeddings` is float32 [batch, D]. Batch may be any number.
    How photos become squares is in the metadata under `preprocessing`, as JSON.

    Raises:
      InputError: the extra `onnx` is not installed, or the network has an operation
        with no translation.
    """
    onnx = _need("onnx")
    size = embedder.preprocessing.image_size
    graph, output, width = trace(
        lambda images: embedder.apply(embedder.params, images), size
    )
    # A reader, as every value has that is needed: what is rewritten may have been last.
    graph.nodes.append(Node("Identity", [output], [OUTPUT]))
    find_windows(graph)
    find_activations(graph)
    graph.prune(OUTPUT)  # else the steps that are not needed would be readers
    fold(graph)
    part_branches(graph)
    graph.prune(OUTPUT)
    model = onnx.helper.make_model(
        _graph_proto(graph, size, width),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="cl_facenet",
    )
    description = json.dumps(embedder.preprocessing.describe())
    onnx.helper.set_model_props(model, {"preprocessing": description})
    onnx.checker.check_model(model, full_check=True)
    return model


def save_onnx(embedder: Embedder, path: str | os.PathLike[str]) -> float:
    """Writes `to_onnx`'s model, whole or not at all, once it embeds as JAX does.

    Returns:
      The largest difference between a number of onnxruntime's vectors and JAX's, of
      random images.

    Raises:
      InputError: the difference is above 1e-4 and nothing is written; or as `to_onnx`.
    """
    content = to_onnx(embedder).SerializeToString()
    difference = max_difference(content, embedder)
    if not difference <= TOLERANCE:  # NaN is not
        raise InputError(
            f"{path} is not written: onnxruntime's embeddings differ from JAX's by "
            f"{difference:.1e}, more than {TOLERANCE:.0e}"
        )
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return difference


def max_difference(content: bytes, embedder: Embedder) -> float:
    """How far a model's embeddings of random images are from the embedder's.

    Raises:
      InputError: the extra `onnx` is not installed.
    """
    session = _need("onnxruntime").InferenceSession(content)
    size, rng = embedder.preprocessing.image_size, np.random.default_rng(0)
    shape = (max(BATCHES), size, size, 3)
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    expected = embedder(images, prepared_as=embedder.preprocessing.describe())
    differences = []
    for batch in BATCHES:
        (embeddings,) = session.run([OUTPUT], {"images": images[:batch]})
        differences.append(np.abs(embeddings - expected[:batch]).max())
    return float(np.max(differences))


def _graph_proto(graph: Graph, size: int, width: int) -> Any:
    onnx = _need("onnx")
    info, kinds = onnx.helper.make_tensor_value_info, onnx.TensorProto
    return onnx.helper.make_graph(
        [
            onnx.helper.make_node(node.op, node.inputs, node.outputs, **node.attributes)
            for node in graph.nodes
        ],
        "embedder",
        [info("images", kinds.UINT8, ["batch", size, size, 3])],
        [info(OUTPUT, kinds.FLOAT, ["batch", width])],
        [onnx.numpy_helper.from_array(a, name) for name, a in graph.constants.items()],
    )


def _need(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise InputError(
            "ONNX needs the extra: pip install 'cl_facenet[onnx]'"
        ) from error
