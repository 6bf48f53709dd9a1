"""A softmax over some of the people, where all of them would be too many."""

from typing import Any

import jax
import jax.numpy as jnp


def number_sampled(num_classes: int, rows: int, share: float) -> int:
    """How many classes a step sees: a share, but room for everybody in its rows."""
    if share == 1:
        return num_classes
    return min(num_classes, max(rows, round(share * num_classes)))


def sample_classes(
    key: jax.Array,
    labels_b: jax.Array,
    mask_b: jax.Array,
    *,
    num_classes: int,
    number: int,
) -> jax.Array:
    """The classes of a batch's real rows and others drawn at random, int32 [number].

    In order, each once: Partial FC (An et al., CVPR 2022), where every one that is in
    the batch is kept. `number` must be at least as many as can be in a batch.
    """
    drawn_c = jax.random.uniform(key, (num_classes,))
    own_b = jnp.where(mask_b, labels_b, num_classes)  # past the end: dropped
    drawn_c = drawn_c.at[own_b].set(2.0, mode="drop")
    return jnp.sort(jax.lax.top_k(drawn_c, number)[1])


def narrow(
    head: Any, labels_b: jax.Array, classes_k: jax.Array
) -> tuple[Any, jax.Array]:
    """A classifier's columns of these classes alone, and where among them labels are.

    Args:
      head: its arrays, [..., C].
      classes_k: in order; those of all labels that count are among them.
    """
    columns = jax.tree.map(lambda array: jnp.take(array, classes_k, -1), head)
    places_b = jnp.searchsorted(classes_k, labels_b)
    return columns, jnp.minimum(places_b, len(classes_k) - 1)
