"""Triplet losses on the unit embeddings of one batch, by how the triplets are chosen.

Schroff et al. 2015 (FaceNet, arXiv 1503.03832), equation 3, as a mean over the N
triplets chosen: (1/N) sum [||a - p||^2 - ||a - n||^2 + margin]_+. Choosing is not
differentiated. Rows of the batch are anchors in turn, so memory is O(B^2).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from cl_facenet.losses.given import Given, Metrics


class Anchor(NamedTuple):
    """One row of the batch, as the others look from it.

    Attributes:
      row: int32 scalar.
      squares_b: float32 [B], squared distances to all rows.
      positive_b: bool [B], other photos of the same person.
      negative_b: bool [B], photos of other people.
      key: PRNG key of this anchor.
    """

    row: jax.Array
    squares_b: jax.Array
    positive_b: jax.Array
    negative_b: jax.Array
    key: jax.Array


# From an anchor and the margin to the negative for each positive, int32 [B], and which
# positives are chosen, bool [B].
Select = Callable[[Anchor, float], tuple[jax.Array, jax.Array]]


def semi_hard(anchor: Anchor, margin: float) -> tuple[jax.Array, jax.Array]:
    """For every positive, the nearest negative beyond it that is inside the margin.

    FaceNet's section 3.2, equation 4; a positive without one is dropped.
    """
    gap_pn = anchor.squares_b[None, :] - anchor.squares_b[:, None]
    may_pn = anchor.negative_b[None, :] & (gap_pn > 0) & (gap_pn < margin)
    nearest_p = jnp.argmin(jnp.where(may_pn, gap_pn, jnp.inf), axis=1)
    return nearest_p, anchor.positive_b & may_pn.any(1)


def batch_hard(anchor: Anchor, margin: float) -> tuple[jax.Array, jax.Array]:
    """The farthest positive with the nearest negative, whether they violate or not.

    Hermans et al. 2017 (arXiv 1703.07737), equation 5.
    """
    nearest = jnp.argmin(jnp.where(anchor.negative_b, anchor.squares_b, jnp.inf))
    farthest = jnp.argmax(jnp.where(anchor.positive_b, anchor.squares_b, -jnp.inf))
    rows = jnp.arange(len(anchor.squares_b))
    chosen_p = (rows == farthest) & anchor.positive_b & anchor.negative_b.any()
    return jnp.full_like(rows, nearest), chosen_p


def any_violator(anchor: Anchor, margin: float) -> tuple[jax.Array, jax.Array]:
    """For every positive further on in the batch, any negative inside the margin.

    OpenFace's `train.lua` and Sandberg's `select_triplets`: each pair of a person once,
    one negative drawn evenly among all with ||a - n||^2 - ||a - p||^2 < margin, hard
    ones included; a pair without one is dropped.
    """
    gap_pn = anchor.squares_b[None, :] - anchor.squares_b[:, None]
    may_pn = anchor.negative_b[None, :] & (gap_pn < margin)
    lots_pn = jax.random.uniform(anchor.key, may_pn.shape)
    drawn_p = jnp.argmax(jnp.where(may_pn, lots_pn, -1.0), axis=1)
    later_p = jnp.arange(len(anchor.squares_b)) > anchor.row
    return drawn_p, anchor.positive_b & later_p & may_pn.any(1)


def triplet_loss(
    given: Given, margin: float, select: Select
) -> tuple[jax.Array, Metrics]:
    """The loss over the triplets that `select` chooses; 0 where it chooses none.

    Metrics: how many triplets there are, and which share of them is active, that is
    has a loss and a gradient.
    """
    x_bd = given.outputs["embedding"].astype(jnp.float32)
    negatives_bp, chosen_bp = choose(
        jax.lax.stop_gradient(x_bd), given.labels, given.mask, given.key, margin, select
    )
    squares_bb = squared_distances(x_bd)
    negative_squares_bp = jnp.take_along_axis(squares_bb, negatives_bp, axis=1)
    hinges_bp = jax.nn.relu(squares_bb - negative_squares_bp + margin)
    number = jnp.maximum(chosen_bp.sum(), 1)
    active_bp = chosen_bp & (hinges_bp > 0)
    return jnp.sum(hinges_bp, where=chosen_bp) / number, {
        "triplets": chosen_bp.sum().astype(jnp.float32),
        "active_share": active_bp.sum() / number,
    }


def choose(
    x_bd: jax.Array,
    labels_b: jax.Array,
    mask_b: jax.Array,
    key: jax.Array,
    margin: float,
    select: Select,
) -> tuple[jax.Array, jax.Array]:
    """Negatives int32 [B, B] for (anchor, positive), and which of those are chosen."""
    rows_b = jnp.arange(len(labels_b))
    same_bb = labels_b[:, None] == labels_b
    real_bb = mask_b[:, None] & mask_b
    anchors = Anchor(
        row=rows_b,
        squares_b=squared_distances(x_bd),
        positive_b=real_bb & same_bb & (rows_b[:, None] != rows_b),
        negative_b=real_bb & ~same_bb,
        key=jax.random.split(key, len(labels_b)),
    )
    return jax.lax.map(lambda anchor: select(anchor, margin), anchors)


def squared_distances(x_bd: jax.Array) -> jax.Array:
    """||x_i - x_j||^2 of unit rows, float32 [B, B], 0 on the diagonal."""
    products_bb = jnp.matmul(x_bd, x_bd.T, precision="highest")
    lengths_b = jnp.sum(jnp.square(x_bd), -1)
    return jax.nn.relu(lengths_b[:, None] + lengths_b - 2 * products_bb)


triplet_semi_hard = partial(triplet_loss, select=semi_hard)
triplet_batch_hard = partial(triplet_loss, select=batch_hard)
triplet_any_violator = partial(triplet_loss, select=any_violator)
