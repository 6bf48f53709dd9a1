"""The triplet loss, and three ways to choose triplets from one batch.

An anchor a shall be nearer to a positive p, of the same person, than to a negative n,
of another, by a margin: distances are squared and Euclidean, embeddings of unit length.
Padded rows are nobody.

For a pair (a, p) each selection chooses one negative or none, so that a batch of B rows
needs no array of more than B x B numbers: the negatives of an anchor are sorted by
distance, and those that a pair may have are neighbours in that order.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Triplets(NamedTuple):
    """The rows (a, p, negatives[a, p]) of a batch, for each a, p that is `chosen`."""

    negatives_bb: jax.Array  # int32 [B, B]
    chosen_bb: jax.Array  # bool [B, B]


Select = Callable[[jax.Array, jax.Array, jax.Array], Triplets]
"""Squared distances [B, B], labels [B] and mask [B] -> triplets."""


def triplet_loss(
    embedding_bd: jax.Array,
    labels_b: jax.Array,
    mask_b: jax.Array,
    margin: float,
    select: Select,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """(1/N) sum [||a - p||^2 - ||a - n||^2 + margin]_+ over the N triplets selected.

    Schroff et al., "FaceNet", CVPR 2015, section 3.1, as a mean. The choice gets no
    gradient. Without triplets the loss and its gradient are 0.

    Returns:
      The loss; how many `triplets`, and the `active_share` of them that are still
      inside the margin (1 by definition of the selections that look for such).
    """
    # Zeros, so that nothing a padded row holds can reach a loss or a gradient.
    embedding_bd = jnp.where(mask_b[:, None], embedding_bd.astype(jnp.float32), 0)
    squares_bb = squared_distances(embedding_bd)
    negatives_bb, chosen_bb = select(
        jax.lax.stop_gradient(squares_bb), labels_b, mask_b
    )
    to_negatives_bb = jnp.take_along_axis(squares_bb, negatives_bb, 1)
    hinges_bb = jax.nn.relu(squares_bb - to_negatives_bb + margin)
    hinges_bb = jnp.where(chosen_bb, hinges_bb, 0)
    count = chosen_bb.sum().astype(jnp.float32)
    at_least_one = jnp.maximum(count, 1)
    # A NaN compares as False, and would pass for a batch without triplets.
    is_nan = jnp.isnan(squares_bb).any()
    loss = jnp.where(is_nan, jnp.nan, hinges_bb.sum() / at_least_one)
    active_share = jnp.sum(hinges_bb > 0) / at_least_one
    return loss, {"triplets": count, "active_share": active_share}


def semi_hard(
    squares_bb: jax.Array, labels_b: jax.Array, mask_b: jax.Array, margin: float
) -> Triplets:
    """All pairs a != p of a person, each with its hardest semi-hard negative.

    FaceNet, section 3.2: the nearest negative of those with ||a - p||^2 < ||a - n||^2,
    if it is inside the margin, ||a - n||^2 < ||a - p||^2 + margin; pairs without one
    are dropped.
    """
    positive_bb, negative_bb = relations(labels_b, mask_b)
    order_bb, sorted_bb = _by_distance(squares_bb, negative_bb)
    first_bb = _count_below(sorted_bb, squares_bb, side="right")
    inside_bb = jnp.take_along_axis(sorted_bb, first_bb, 1) < squares_bb + margin
    return Triplets(jnp.take_along_axis(order_bb, first_bb, 1), positive_bb & inside_bb)


def batch_hard(
    squares_bb: jax.Array, labels_b: jax.Array, mask_b: jax.Array
) -> Triplets:
    """Every anchor that has both, with its farthest positive and nearest negative.

    "Batch hard" of Hermans et al., "In Defense of the Triplet Loss", 2017; the argmax
    and argmin of FaceNet. Triplets that already keep the margin are in the mean, too.
    """
    positive_bb, negative_bb = relations(labels_b, mask_b)
    farthest_b = jnp.argmax(jnp.where(positive_bb, squares_bb, -jnp.inf), 1)
    nearest_b = jnp.argmin(jnp.where(negative_bb, squares_bb, jnp.inf), 1)
    has_both_b = positive_bb.any(1) & negative_bb.any(1)
    is_farthest_bb = farthest_b[:, None] == jnp.arange(len(labels_b))
    return Triplets(
        jnp.broadcast_to(nearest_b[:, None], squares_bb.shape),
        has_both_b[:, None] & is_farthest_bb,
    )


def any_violator(
    squares_bb: jax.Array,
    labels_b: jax.Array,
    mask_b: jax.Array,
    margin: float,
    key: jax.Array,
) -> Triplets:
    """Pairs a < p (rows of a person, each once), with a random negative too near.

    As in OpenFace (`train.lua`) and Sandberg (`select_triplets`): one uniform draw from
    the negatives with ||a - n||^2 - ||a - p||^2 < margin, with no lower bound; pairs
    without any are dropped. OpenFace could also draw the person's own photos, where all
    distances are under the margin; here never.
    """
    positive_bb, negative_bb = relations(labels_b, mask_b)
    order_bb, sorted_bb = _by_distance(squares_bb, negative_bb)
    count_bb = _count_below(sorted_bb, squares_bb + margin, side="left")
    drawn_bb = jax.random.randint(
        key, squares_bb.shape, 0, jnp.maximum(count_bb, 1), count_bb.dtype
    )
    return Triplets(
        jnp.take_along_axis(order_bb, drawn_bb, 1),
        jnp.triu(positive_bb) & (count_bb > 0),
    )


def squared_distances(x_bd: jax.Array) -> jax.Array:
    """||x_i - x_j||^2 [B, B] of rows [B, D]; off by rounding, even below 0, if tiny."""
    # By default a TPU rounds the factors to bfloat16, and the order is of rounding.
    products_bb = jnp.matmul(x_bd, x_bd.T, precision="highest")
    norms_b = jnp.sum(jnp.square(x_bd), -1)
    return norms_b[:, None] + norms_b[None, :] - 2 * products_bb


def relations(labels_b: jax.Array, mask_b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Where two real rows are of the same person, but not the same; and of two people.

    Returns:
      Two masks, bool [B, B].
    """
    real_bb = mask_b[:, None] & mask_b[None, :]
    same_bb = labels_b[:, None] == labels_b[None, :]
    itself_bb = jnp.eye(len(labels_b), dtype=bool)
    return real_bb & same_bb & ~itself_bb, real_bb & ~same_bb


def _by_distance(
    squares_bb: jax.Array, negative_bb: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Each anchor's negatives, nearest first: rows and squared distances, both [B, B].

    What isn't a negative comes last, infinitely far; the anchor itself, at least.
    """
    far_bb = jnp.where(negative_bb, squares_bb, jnp.inf)
    order_bb = jnp.argsort(far_bb, 1)
    return order_bb, jnp.take_along_axis(far_bb, order_bb, 1)


def _count_below(sorted_bb: jax.Array, values_bb: jax.Array, side: str) -> jax.Array:
    """How many of a sorted row are < each value of that row ("right": <=), [B, B]."""
    return jax.vmap(lambda row, v: jnp.searchsorted(row, v, side=side))(
        sorted_bb, values_bb
    )
