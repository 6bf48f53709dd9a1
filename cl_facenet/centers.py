"""The center state: a point a person, what pulls at it in a batch, and its loss.

Wen et al., "A Discriminative Feature Learning Approach for Deep Face Recognition",
ECCV 2016: equation 2 (the loss, here a mean over the batch) and equation 4 (the
update, one of the rules in `center_rules`). Centers are not parameters: no gradient
reaches them and optax never sees them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

# "centers", float32 [classes, dims], and whatever else a rule keeps, of that shape too.
CenterState = dict[str, jax.Array]


def center_loss(x_bd: jax.Array, centers_bd: jax.Array, mask_b: jax.Array) -> jax.Array:
    """Half the mean over real rows of ||x - c||^2, c being each row's own center."""
    x_bd = x_bd.astype(jnp.float32)
    squares_b = jnp.sum(jnp.square(x_bd - jax.lax.stop_gradient(centers_bd)), -1)
    return 0.5 * jnp.sum(squares_b * mask_b) / jnp.maximum(mask_b.sum(), 1)


class Pull(NamedTuple):
    """What a batch of B rows says to the centers of the people in it.

    Attributes:
      people_p: int32 [B], their rows among the centers, each once; where they are
        fewer than B, an index past the end, which gathers clip and scatters drop.
      sum_pd: float32 [B, D], S_j = sum over the photos i of person j of (c_j - x_i).
      count_p: float32 [B], n_j, how many photos of person j there are.
      batch_size: float32 scalar, how many rows are real.
      head_norm: float32 scalar, length of the gradient of the classifier's weights and
        biases, summed over the batch; 0 without a classifier.
    """

    people_p: jax.Array
    sum_pd: jax.Array
    count_p: jax.Array
    batch_size: jax.Array
    head_norm: jax.Array


def pull_of(
    centers_cd: jax.Array,
    x_bd: jax.Array,
    labels_b: jax.Array,
    mask_b: jax.Array,
    head_norm: jax.Array,
) -> Pull:
    """What the rows x of people `labels` say; those with mask False say nothing.

    O(batch * dims), whatever the number of people.
    """
    num_classes, batch = centers_cd.shape[0], labels_b.shape[0]
    labels_b = jnp.where(mask_b, labels_b, num_classes)
    people_p, slot_b = jnp.unique(
        labels_b, return_inverse=True, size=batch, fill_value=num_classes
    )
    gap_bd = centers_cd[labels_b] - x_bd.astype(jnp.float32)
    real_b = mask_b.astype(jnp.float32)
    return Pull(
        people_p=people_p,
        sum_pd=jax.ops.segment_sum(
            jnp.where(mask_b[:, None], gap_bd, 0.0), slot_b, batch
        ),
        count_p=jax.ops.segment_sum(real_b, slot_b, batch),
        batch_size=jnp.maximum(real_b.sum(), 1.0),
        head_norm=head_norm,
    )


def movement(before_cd: jax.Array, after_cd: jax.Array, pull: Pull) -> jax.Array:
    """How far the centers of the people in a batch moved: mean Euclidean length."""
    step_pd = after_cd[pull.people_p] - before_cd[pull.people_p]
    present_p = pull.count_p > 0
    lengths_p = jnp.where(present_p, jnp.linalg.norm(step_pd, axis=-1), 0.0)
    return lengths_p.sum() / jnp.maximum(present_p.sum(), 1)


def within_between_ratio(
    x_bd: jax.Array, centers_bd: jax.Array, labels_b: jax.Array, mask_b: jax.Array
) -> jax.Array:
    """Mean squared distance to the own center over that to the others' in the batch.

    Near 1: people overlap. Near 0: each person is a tight cloud far from the others.
    NaN where the batch holds one person only.
    """
    x_bd = x_bd.astype(jnp.float32)
    products_bb = jnp.matmul(x_bd, centers_bd.T, precision="highest")
    squares_bb = (
        jnp.sum(jnp.square(x_bd), -1)[:, None]
        + jnp.sum(jnp.square(centers_bd), -1)
        - 2 * products_bb
    )
    real_bb = mask_b[:, None] & mask_b
    own_bb = labels_b[:, None] == labels_b
    within = jnp.mean(jnp.abs(squares_bb), where=real_bb & own_bb)
    between = jnp.mean(jnp.abs(squares_bb), where=real_bb & ~own_bb)
    return within / between
