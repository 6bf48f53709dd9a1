"""The identity losses: what teaches the network to tell people apart."""

from collections.abc import Callable
from typing import NamedTuple

import jax

from cl_facenet.losses.given import Given, Metrics
from cl_facenet.losses.margins import arcface, cosface, sphereface
from cl_facenet.losses.softmax import mean_squared_error, softmax_cross_entropy
from cl_facenet.losses.triplets import (
    triplet_any_violator,
    triplet_batch_hard,
    triplet_semi_hard,
)


class Loss(NamedTuple):
    """An identity loss.

    Attributes:
      head: the classifier that it needs: see `FaceNet.outputs`; None: none.
      margin: the default of its source; None: it has no margin.
      term: (what is given, the margin) -> the loss, float32 scalar, and its metrics.
    """

    head: str | None
    margin: float | None
    term: Callable[[Given, float], tuple[jax.Array, Metrics]]


LOSSES = {
    "softmax": Loss("dense", None, softmax_cross_entropy),
    "mse": Loss("dense", None, mean_squared_error),
    "arcface": Loss("cosine", 0.5, arcface),
    "cosface": Loss("cosine", 0.35, cosface),
    "sphereface": Loss("angular", 4.0, sphereface),
    "triplet_semi_hard": Loss(None, 0.2, triplet_semi_hard),
    "triplet_batch_hard": Loss(None, 0.2, triplet_batch_hard),
    "triplet_any_violator": Loss(None, 0.2, triplet_any_violator),
}
