"""A trained embedder as a file that ONNX's runtimes read."""

import json
import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from cl_facenet.embedder import Embedder
from cl_facenet.errors import InputError
from cl_facenet.export.checking import Embed, check_difference
from cl_facenet.export.graph import graph_proto
from cl_facenet.export.tracing import trace
from cl_facenet.paths import local_path
from cl_facenet.whole_files import check_ending, check_place, write_whole

if TYPE_CHECKING:
    import onnx

ENDING = ".onnx"
IMAGES, EMBEDDINGS = "images", "embeddings"
OPSET, IR_VERSION = 17, 8  # read by every onnxruntime since 1.12


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


def save_onnx(
    embedder: Embedder, path: str | os.PathLike[str], *, overwrite: bool = False
) -> float:
    """Writes `to_onnx`'s model, whole or not at all, once it embeds as JAX does.

    Args:
      path: of the file, which ends in .onnx.
      overwrite: whether it may be there.

    Returns:
      The largest difference between a number of onnxruntime's vectors and JAX's, of
      random images.

    Raises:
      InputError: the difference is above 1e-4, or the file cannot be written there; or
        as `to_onnx`.
    """
    path = local_path(path)
    if not os.path.isdir(path):
        check_ending(path, [ENDING])
    check_place(path, overwrite=overwrite)
    content = to_onnx(embedder).SerializeToString()
    difference = check_difference(embedder, _runner(content), path=path)
    try:
        write_whole(path, content, overwrite=overwrite)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}); choose another "
            "place"
        ) from error
    return difference


def _runner(content: bytes) -> Embed:
    """onnxruntime with a model in it."""
    _, onnxruntime = _packages()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(images: np.ndarray) -> np.ndarray:
        (embeddings,) = session.run([EMBEDDINGS], {IMAGES: images})
        return embeddings

    return run


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
