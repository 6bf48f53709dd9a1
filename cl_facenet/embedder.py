"""The trained network with its head dropped: photos in, vectors out."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from PIL import Image

from cl_facenet.data.photos import PhotoLike, load_photo
from cl_facenet.errors import InputError
from cl_facenet.models.facenet import (
    FaceNet,
    abstract_variables,
    create_model,
    unit_range,
)
from cl_facenet.models.layers import l2_normalize
from cl_facenet.workdir import read_config

BATCH_SIZE = 64

Variables = dict[str, Any]


class Embedder:
    """Turns photos into unit vectors.

    Attributes:
      apply: pure function (params, images [N, S, S, 3]) -> float32 [N, D], of uint8
        images or of floats in [0, 1]; for jax.jit, grad and vmap.
      params: its first argument, {"params": ..., "batch_stats": ...}, head dropped.
      image_size: S, the side in pixels that photos are cropped and resized to.
    """

    def __init__(self, model: FaceNet, params: Variables, image_size: int) -> None:
        self.apply = make_embed(model)
        self.params = params
        self.image_size = image_size
        self._apply = jax.jit(self.apply)

    def __call__(self, photos: np.ndarray | Sequence[PhotoLike]) -> np.ndarray:
        """Photos -> float32 [N, D], each row of length 1.

        Photos are a uint8 array [N, H, W, 3] or a list of paths, Pillow images and
        uint8 arrays of any sizes; each is cropped to its central square and resized.

        Raises:
          InputError: one photo that is not in a list, or one that cannot be read.
        """
        if hasattr(photos, "__array__") and not isinstance(photos, Image.Image):
            photos = np.asarray(photos)
            if photos.ndim != 4:
                raise InputError(
                    f"an array of shape {list(photos.shape)}: give [photos, height, "
                    "width, 3], or a list"
                )
        elif not isinstance(photos, Sequence) or isinstance(photos, str | bytes):
            kind = type(photos).__name__
            raise InputError(f"{kind}: give a list of photos, as in embedder([photo])")
        images = [load_photo(photo, self.image_size) for photo in photos]
        if not images:
            return np.zeros((0, self.params["params"]["embedding"]["bias"].size), "f4")
        rows = [
            self._embed_batch(np.stack(images[start : start + BATCH_SIZE]))
            for start in range(0, len(images), BATCH_SIZE)
        ]
        return np.concatenate(rows)

    def _embed_batch(self, images: np.ndarray) -> np.ndarray:
        """Pads to a power of two, so that few sizes are ever compiled."""
        room = 1 << (len(images) - 1).bit_length()
        padded = np.zeros((room, *images.shape[1:]), images.dtype)
        padded[: len(images)] = images
        return np.asarray(self._apply(self.params, padded))[: len(images)]

    def distance(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Squared Euclidean distance of unit vectors [..., D], from 0 to 4."""
        return np.sum(np.square(np.subtract(a, b)), -1)


def make_embed(model: FaceNet) -> Callable[[Variables, jax.Array], jax.Array]:
    """The pure function behind `Embedder.apply`."""

    def embed(params: Variables, images: jax.Array) -> jax.Array:
        features: Any = model.apply(params, unit_range(images), method="features")
        return l2_normalize(features)

    return embed


def load_workdir(path: str | os.PathLike[str]) -> Embedder:
    """The embedder of the newest checkpoint in a workdir."""
    # Imported here: an exported embedder shall not need Orbax.
    from cl_facenet.checkpoint import restore_parts

    config = read_config(Path(path))
    image_size = config["data"]["image_size"]
    model = create_model(**config["model"], num_classes=None)  # so: no head
    like = abstract_variables(model, image_size)
    variables, _ = restore_parts(Path(path) / "checkpoints", like)
    return Embedder(model, variables, image_size)
