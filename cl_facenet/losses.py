"""The identity losses: what teaches the network to tell people apart."""

import jax
import jax.numpy as jnp
import optax


def softmax_cross_entropy(
    logits_bc: jax.Array, labels_b: jax.Array, mask_b: jax.Array
) -> jax.Array:
    """-log softmax(z)_y, mean over real rows, in float32 whatever the logits are."""
    losses_b = optax.softmax_cross_entropy_with_integer_labels(
        logits_bc.astype(jnp.float32), labels_b
    )
    return jnp.sum(losses_b * mask_b) / jnp.maximum(mask_b.sum(), 1)


LOSSES = {"softmax": softmax_cross_entropy}
