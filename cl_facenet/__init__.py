"""cl_facenet: face embeddings trained with center loss, in JAX and Flax.

embedder = cl_facenet.load("nn4_small2_lfw")  # or a run: "runs/nn4-orl"
vectors = embedder(photos)
"""

import os
from typing import TYPE_CHECKING

from cl_facenet.data.face_report import FaceWarning, MissingFaceWarning
from cl_facenet.devices import import_jax
from cl_facenet.forks import check_not_forked
from cl_facenet.params import drop_head

if TYPE_CHECKING:
    from cl_facenet.embedder import Embedder

__all__ = ["FaceWarning", "MissingFaceWarning", "drop_head", "load"]


def load(path: str | os.PathLike[str]) -> "Embedder":
    """The embedder of a training run, one that was saved, or one that is shipped.

    Args:
      path: a run's workdir, such as runs/nn4-orl, the folder of `Embedder.save`, or
        "nn4_small2_lfw", which comes with the package.

    Raises:
      InputError: it is none of these, what is in it cannot be read, or this process
        was forked from one that ran JAX.
      UsageError: JAX does not start, as with a JAX_PLATFORMS that is not there.
    """
    check_not_forked()
    # Imported here, so that importing the package does not wait for Flax.
    import_jax()
    from cl_facenet.loading import load as load_embedder

    return load_embedder(path)
