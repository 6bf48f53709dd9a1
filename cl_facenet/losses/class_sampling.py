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

    The others are one of each of so many stretches of all that are left, which lie in a
    ring that is turned at random: every one has the same chance, and no array is as
    long as there are classes.
    """
    turn_key, place_key = jax.random.split(key)
    own_b = jnp.unique(
        jnp.where(mask_b, labels_b, num_classes),
        size=len(labels_b),
        fill_value=num_classes,
    )
    is_own_b = own_b < num_classes
    left, wanted = num_classes - is_own_b.sum(), number - is_own_b.sum()
    stretch_k = jnp.arange(number)
    length, longer = jnp.divmod(left, jnp.maximum(wanted, 1))  # so many are longer by 1
    start_k = stretch_k * length + jnp.minimum(stretch_k, longer)
    length_k = length + (stretch_k < longer)
    turn = jax.random.randint(turn_key, (), 0, jnp.maximum(left, 1))
    place_k = start_k + jax.random.randint(place_key, (number,), 0, length_k)
    place_k = (place_k + turn) % jnp.maximum(left, 1)
    # From a place among those that are left to a class: those of the batch before it
    # are passed over.
    left_before_b = jnp.where(is_own_b, own_b - jnp.arange(len(own_b)), num_classes)
    drawn_k = place_k + jnp.searchsorted(left_before_b, place_k, side="right")
    drawn_k = jnp.where(stretch_k < wanted, drawn_k, num_classes)
    return jnp.sort(jnp.concatenate([own_b, drawn_k]))[:number]


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
