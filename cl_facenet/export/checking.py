"""Whether an exported embedder embeds as it does here; else it is not written."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from cl_facenet.embedder import Embedder
from cl_facenet.errors import InputError

TOLERANCE = 1e-4  # of the numbers in unit vectors
BATCHES = (1, 5)  # sizes that it is tried with

# Images uint8 [B, S, S, 3] -> vectors float32 [B, D].
Embed = Callable[[np.ndarray], np.ndarray]


def check_difference(embedder: Embedder, exported: Embed, *, path: Path) -> float:
    """The largest difference between the two's numbers, of random images.

    Args:
      exported: the embedder, read back out of what would be written to `path`.

    Raises:
      InputError: it is above 1e-4.
    """
    difference = max_difference(embedder, exported)
    if not difference <= TOLERANCE:  # NaN is not
        raise InputError(
            f"{path} is not written: its embeddings differ from JAX's by "
            f"{difference:.1e}, more than {TOLERANCE:.0e}"
        )
    return difference


def max_difference(embedder: Embedder, exported: Embed) -> float:
    """How far the embeddings of random images are apart."""
    size, rng = embedder.preprocessing.image_size, np.random.default_rng(0)
    shape = (max(BATCHES), size, size, 3)
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    expected = embedder(images, prepared_as=embedder.preprocessing.describe())
    return float(
        np.max(
            [
                np.abs(exported(images[:batch]) - expected[:batch]).max()
                for batch in BATCHES
            ]
        )
    )
