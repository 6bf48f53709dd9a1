"""Losses on the softmax of a classifier's logits, float32 whatever the logits are.

Rows are one photo each, logits [B, C]; those where the mask [B] is False count for
nothing. With a smoothing e the target y of a row is 1 - e on its label and e spread
evenly over all C classes (Szegedy et al., CVPR 2016, section 7).
"""

import jax
import jax.numpy as jnp
import optax

from cl_facenet.models.facenet import NOBODY


def softmax_cross_entropy(
    logits_bc: jax.Array,
    labels_b: jax.Array,
    mask_b: jax.Array,
    smoothing: float = 0.0,
) -> jax.Array:
    """-sum_k y_k log softmax(z)_k, mean over real rows."""
    logits_bc = logits_bc.astype(jnp.float32)
    losses_b = optax.softmax_cross_entropy_with_integer_labels(logits_bc, labels_b)
    if smoothing:
        # What is nobody's has a logit without bounds, and is no class.
        mean_b = jnp.mean(logits_bc, -1, where=logits_bc > NOBODY / 2)
        even_b = jax.nn.logsumexp(logits_bc, -1) - mean_b
        losses_b = (1 - smoothing) * losses_b + smoothing * even_b
    return mean_of_real(losses_b, mask_b)


def mean_squared_error(
    logits_bc: jax.Array,
    labels_b: jax.Array,
    mask_b: jax.Array,
    smoothing: float = 0.0,
) -> jax.Array:
    """(1/C) sum_k (softmax(z)_k - y_k)^2, mean over real rows.

    What Deeplearning4j calls SQUARED_LOSS, and its FaceNet tutorial trains with. Of
    C classes each gets 1/C of the error: the more people, the smaller the gradient.
    """
    p_bc = jax.nn.softmax(logits_bc.astype(jnp.float32))
    y_bc = jax.nn.one_hot(labels_b, logits_bc.shape[-1])
    is_class_bc = logits_bc > NOBODY / 2
    classes_b = jnp.sum(is_class_bc, -1)
    if smoothing:
        even_bc = is_class_bc / classes_b[:, None]
        y_bc = (1 - smoothing) * y_bc + smoothing * even_bc
    return mean_of_real(jnp.sum(jnp.square(p_bc - y_bc), -1) / classes_b, mask_b)


def accuracy(logits_bc: jax.Array, labels_b: jax.Array, mask_b: jax.Array) -> jax.Array:
    """On what share of the real rows the own class has the greatest logit."""
    is_right_b = jnp.argmax(logits_bc, -1) == labels_b
    return mean_of_real(is_right_b.astype(jnp.float32), mask_b)


def mean_of_real(values_b: jax.Array, mask_b: jax.Array) -> jax.Array:
    """The mean of values [B] where the mask [B] holds; 0 where it holds nowhere."""
    return jnp.sum(values_b, where=mask_b) / jnp.maximum(mask_b.sum(), 1)
