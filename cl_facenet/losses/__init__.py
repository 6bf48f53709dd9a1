"""The identity losses: what teaches the network to tell people apart.

`LOSSES` is the table of them, all called alike. The formulas are pure functions of
arrays: `softmax`, `margins`, `triplets`. Center loss is not here: it goes beside any
of them, and has a state (`centers`).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax

from cl_facenet.losses.margins import arcface, cosface, margin_logits, sphereface
from cl_facenet.losses.softmax import (
    accuracy,
    mean_squared_error,
    softmax_cross_entropy,
)
from cl_facenet.losses.triplets import (
    Select,
    any_violator,
    batch_hard,
    semi_hard,
    triplet_loss,
)

LossAndMetrics = tuple[jax.Array, dict[str, jax.Array]]  # float32 scalars


class Given(NamedTuple):
    """What an identity loss may look at.

    Attributes:
      outputs: the network's: features [B, D], embedding [B, D] of unit length, and
        what the head gives.
      labels: int32 [B].
      mask: bool [B], True at real rows.
      step: int32 scalar, how many steps are done.
      key: a PRNG key of this step's own.
      smoothing: the share of a label that a classifier's target spreads over all.
    """

    outputs: dict[str, jax.Array]
    labels: jax.Array
    mask: jax.Array
    step: jax.Array
    key: jax.Array
    smoothing: float = 0.0


class Loss(NamedTuple):
    """An identity loss: the head it needs, its function, and its source's numbers.

    Attributes:
      head: "dense" (of scaled unit embeddings) and "linear" (of features) give logits
        [B, C]; "cosine" and "angular" give cosines [B, C], radius [B, 1] (a constant s;
        the length of the features) and logits, their product. None: no classifier.
      margin: the source's default; None where the loss has no margin.
      term: (given, margin) -> the loss and its metrics. Classifiers give `accuracy`,
        triplets `triplets` and `active_share`.
      scale: what its head multiplies unit embeddings or cosines by, the source's
        default (of a plain softmax ours); None where the head has no scale.
    """

    head: str | None
    margin: float | None
    term: Callable[[Given, float], LossAndMetrics]
    scale: float | None = None


def _of_logits(
    head: str,
    loss: Callable[[jax.Array, jax.Array, jax.Array, float], jax.Array],
    scale: float | None = None,
) -> Loss:
    def term(given: Given, margin: float) -> LossAndMetrics:
        logits_bc = given.outputs["logits"]
        value = loss(logits_bc, given.labels, given.mask, given.smoothing)
        return value, _classified(given)

    return Loss(head, None, term, scale)


def _hardened(given: Given, harden: Callable[[jax.Array], jax.Array]) -> LossAndMetrics:
    """Cross entropy of the logits with a margin; accuracy of those without."""
    logits_bc = margin_logits(
        given.outputs["cosines"], given.outputs["radius"], given.labels, harden
    )
    value = softmax_cross_entropy(logits_bc, given.labels, given.mask, given.smoothing)
    return value, _classified(given)


def _classified(given: Given) -> dict[str, jax.Array]:
    logits_bc = given.outputs["logits"]
    return {"accuracy": accuracy(logits_bc, given.labels, given.mask)}


def _arcface(given: Given, margin: float) -> LossAndMetrics:
    return _hardened(given, partial(arcface, margin=margin))


def _cosface(given: Given, margin: float) -> LossAndMetrics:
    return _hardened(given, partial(cosface, margin=margin))


def _sphereface(given: Given, margin: float) -> LossAndMetrics:
    return _hardened(given, partial(sphereface, margin=margin, step=given.step))


def _triplets(given: Given, margin: float, select: Select) -> LossAndMetrics:
    embedding_bd = given.outputs["embedding"]
    return triplet_loss(embedding_bd, given.labels, given.mask, margin, select)


def _semi_hard(given: Given, margin: float) -> LossAndMetrics:
    return _triplets(given, margin, partial(semi_hard, margin=margin))


def _batch_hard(given: Given, margin: float) -> LossAndMetrics:
    return _triplets(given, margin, batch_hard)


def _any_violator(given: Given, margin: float) -> LossAndMetrics:
    select = partial(any_violator, margin=margin, key=given.key)
    return _triplets(given, margin, select)


LOSSES: dict[str, Loss] = {
    "softmax": _of_logits("dense", softmax_cross_entropy, scale=8.0),
    "softmax_of_features": _of_logits("linear", softmax_cross_entropy),
    "mse": _of_logits("dense", mean_squared_error, scale=8.0),
    "arcface": Loss("cosine", 0.5, _arcface, scale=64.0),
    "cosface": Loss("cosine", 0.35, _cosface, scale=64.0),
    "sphereface": Loss("angular", 4.0, _sphereface),
    "triplet_semi_hard": Loss(None, 0.2, _semi_hard),
    "triplet_batch_hard": Loss(None, 0.2, _batch_hard),
    "triplet_any_violator": Loss(None, 0.2, _any_violator),
}
