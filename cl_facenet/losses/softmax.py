"""The classifier's losses: cross-entropy, and Deeplearning4j's squared error."""

import jax
import jax.numpy as jnp
import optax

from cl_facenet.losses.given import Given, Metrics


def softmax_cross_entropy(
    given: Given, margin: float | None = None
) -> tuple[jax.Array, Metrics]:
    """-log softmax(z)_y, mean over real rows."""
    return cross_entropy(given.outputs["logits"], given)


def cross_entropy(logits_bc: jax.Array, given: Given) -> tuple[jax.Array, Metrics]:
    """The cross-entropy of these logits, in float32; accuracy is of the head's own."""
    losses_b = optax.softmax_cross_entropy_with_integer_labels(
        logits_bc.astype(jnp.float32), given.labels
    )
    return _mean(losses_b, given.mask), accuracy(given)


def mean_squared_error(
    given: Given, margin: float | None = None
) -> tuple[jax.Array, Metrics]:
    """(1/C) sum_k (p_k - y_k)^2 of p = softmax(z), mean over real rows.

    Deeplearning4j's SQUARED_LOSS is LossMSE, which divides by the number of classes.
    """
    logits_bc = given.outputs["logits"].astype(jnp.float32)
    target_bc = jax.nn.one_hot(given.labels, logits_bc.shape[-1])
    squares_b = jnp.mean(jnp.square(jax.nn.softmax(logits_bc) - target_bc), -1)
    return _mean(squares_b, given.mask), accuracy(given)


def accuracy(given: Given) -> Metrics:
    """The share of real rows whose largest logit is their own person's."""
    right_b = given.outputs["logits"].argmax(-1) == given.labels
    return {"accuracy": jnp.mean(right_b, where=given.mask)}


def _mean(values_b: jax.Array, mask_b: jax.Array) -> jax.Array:
    return jnp.sum(values_b * mask_b) / jnp.maximum(mask_b.sum(), 1)
