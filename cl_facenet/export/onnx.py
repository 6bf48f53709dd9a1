"""A trained embedder as a file that ONNX's runtimes read."""

import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cl_facenet.embedder import Embedder
from cl_facenet.errors import InputError
from cl_facenet.export.graph import graph_proto
from cl_facenet.export.tracing import trace
from cl_facenet.whole_files import check_place, write_whole

if TYPE_CHECKING:
    import onnx

IMAGES, EMBEDDINGS = "images", "embeddings"
OPSET, IR_VERSION = 17, 8  # read by every onnxruntime since 1.12
TOLERANCE = 1e-4  # of the numbers in unit vectors
BATCHES = (1, 5)  # that a model is tried with before it is written


def to_onnx(embedder: Embedder) -> "onnx.ModelProto":
    """The network as an ONNX model.

    Its input `images` is uint8 [batch, S, S, 3], RGB squares as `preprocessing` makes
    them of photos; its output `embeddings` is float32 [batch, D]. Batch may be any
    number. The model's metadata say so: see `metadata`.

    Raises:
      InputError: the extra `onnx` is not installed, or the network has an operation
        with no translation.
    """
    onnx, _ = _packages()
    size = embedder.preprocessing.image_size
    last, width = trace(lambda images: embedder.apply(embedder.params, images), size)
    info, kinds = onnx.helper.make_tensor_value_info, onnx.TensorProto
    images = info(IMAGES, kinds.UINT8, ["batch", size, size, 3])
    embeddings = info(EMBEDDINGS, kinds.FLOAT, ["batch", width])
    model = onnx.helper.make_model(
        graph_proto(last, images, embeddings),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="cl_facenet",
        producer_version=version("cl-facenet"),
    )
    onnx.helper.set_model_props(model, metadata(embedder, width))
    onnx.checker.check_model(model, full_check=True)
    return model


def metadata(embedder: Embedder, embedding_size: int) -> dict[str, str]:
    """What a user of the file has to know to feed it, in `metadata_props`.

    `preprocessing` is JSON: how photos become squares, as `Preprocessing.describe` has
    it.
    """
    how = embedder.preprocessing
    return {
        "cl_facenet_version": version("cl-facenet"),
        "align": how.align,
        "image_size": str(how.image_size),
        "input_layout": "NHWC",
        "input_channels": "RGB",
        "input_range": "0..255",
        "embedding_size": str(embedding_size),
        "preprocessing": json.dumps(how.describe()),
    }


def save_onnx(embedder: Embedder, path: str | os.PathLike[str]) -> float:
    """Writes `to_onnx`'s model, whole or not at all, once it embeds as JAX does.

    Returns:
      The largest difference between a number of onnxruntime's vectors and JAX's, of
      random images.

    Raises:
      InputError: the difference is above 1e-4, or the file cannot be written there; or
        as `to_onnx`.
    """
    path = Path(path)
    check_place(path)
    content = to_onnx(embedder).SerializeToString()
    difference = max_difference(content, embedder)
    if not difference <= TOLERANCE:  # NaN is not
        raise InputError(
            f"{path} is not written: onnxruntime's embeddings differ from JAX's by "
            f"{difference:.1e}, more than {TOLERANCE:.0e}"
        )
    try:
        write_whole(path, content)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}); choose another place"
        ) from error
    return difference


def max_difference(content: bytes, embedder: Embedder) -> float:
    """How far a model's embeddings of random images are from the embedder's.

    Raises:
      InputError: the extra `onnx` is not installed.
    """
    _, onnxruntime = _packages()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    size, rng = embedder.preprocessing.image_size, np.random.default_rng(0)
    shape = (max(BATCHES), size, size, 3)
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    expected = embedder(images, prepared_as=embedder.preprocessing.describe())
    differences = []
    for batch in BATCHES:
        (embeddings,) = session.run([EMBEDDINGS], {IMAGES: images[:batch]})
        differences.append(np.abs(embeddings - expected[:batch]).max())
    return float(np.max(differences))


def _packages() -> tuple[Any, Any]:
    """onnx and onnxruntime, which are not always there."""
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise InputError(
            "ONNX export needs its packages: pip install 'cl-facenet[onnx]'"
        ) from error
    return onnx, onnxruntime
