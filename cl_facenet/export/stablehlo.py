"""A trained embedder as StableHLO, for programs that have JAX or XLA but no Flax.

`jax.export.deserialize` reads the file; its `call` takes uint8 images, any number at a
time, on a CPU, a GPU or a TPU.
"""

import json
import os
from importlib.metadata import version

import jax
import numpy as np
from jax import export

from cl_facenet.embedder import Embedder
from cl_facenet.errors import InputError
from cl_facenet.export.checking import check_difference
from cl_facenet.paths import local_path
from cl_facenet.whole_files import check_folder_place, whole_folder, write_whole

PROGRAM, ABOUT = "embedder.stablehlo", "about.json"
PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def to_stablehlo(embedder: Embedder) -> export.Exported:
    """The network, its parameters inside: uint8 [batch, S, S, 3] -> float32 [batch, D].

    It is compiled where it is called, as the embedder is here.
    """
    size = embedder.preprocessing.image_size
    (batch,) = export.symbolic_shape("batch")
    images = jax.ShapeDtypeStruct((batch, size, size, 3), np.uint8)
    program = jax.jit(lambda images: embedder.apply(embedder.params, images))
    return export.export(program, platforms=PLATFORMS)(images)


def save_stablehlo(
    embedder: Embedder, path: str | os.PathLike[str], *, overwrite: bool = False
) -> float:
    """Writes a folder, whole or not at all, once its program embeds as it does here.

    In it are embedder.stablehlo and about.json, which says how photos become squares.

    Args:
      overwrite: whether a folder of these two files may be replaced.

    Returns:
      The largest difference between the program's numbers and the embedder's, of random
      images.

    Raises:
      InputError: it is above 1e-4, or the folder cannot be written there.
    """
    path = local_path(path)
    replaces = (PROGRAM, ABOUT) if overwrite else ()
    check_folder_place(path, replaces=replaces)
    exported = to_stablehlo(embedder)
    content = bytes(exported.serialize())
    again = export.deserialize(bytearray(content))
    difference = check_difference(
        embedder, lambda images: np.asarray(again.call(images)), path=path
    )
    about = {
        "cl_facenet_version": version("cl-facenet"),
        "images": "uint8 [batch, height, width, 3], RGB",
        "embeddings": f"float32 [batch, {exported.out_avals[0].shape[1]}]",
        "preprocessing": embedder.preprocessing.describe(),
        # Programs of one version are read by all others for half a year at least.
        "jax_version": jax.__version__,
        "platforms": PLATFORMS,
    }
    try:
        with whole_folder(path, replaces=replaces) as folder:
            write_whole(folder / PROGRAM, content)
            write_whole(folder / ABOUT, (json.dumps(about, indent=2) + "\n").encode())
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}); choose another "
            "place"
        ) from error
    return difference
