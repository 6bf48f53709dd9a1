"""The center state: one point a person, float32 [classes, dims], and its two formulas.

Wen et al., "A Discriminative Feature Learning Approach for Deep Face Recognition",
ECCV 2016: equation 2 (the loss, here a mean over the batch) and equation 4 (the
update). Centers are not parameters: no gradient reaches them and optax never sees them.
"""

import jax
import jax.numpy as jnp


def center_loss(x_bd: jax.Array, centers_bd: jax.Array, mask_b: jax.Array) -> jax.Array:
    """Half the mean over real rows of ||x - c||^2, c being each row's own center."""
    x_bd = x_bd.astype(jnp.float32)
    squares_b = jnp.sum(jnp.square(x_bd - jax.lax.stop_gradient(centers_bd)), -1)
    return 0.5 * jnp.sum(squares_b * mask_b) / jnp.maximum(mask_b.sum(), 1)


def update_centers(
    centers_cd: jax.Array,
    x_bd: jax.Array,
    labels_b: jax.Array,
    mask_b: jax.Array,
    alpha: float,
) -> tuple[jax.Array, jax.Array]:
    """The paper's rule: c_j <- c_j - alpha * sum_{y_i = j} (c_j - x_i) / (1 + n_j).

    Touches the rows of the people in the batch only, O(batch * dims) whatever the
    number of people; in place where `centers_cd` is donated. Rows with mask False
    count for nothing. Stable for any n_j at 0 <= alpha <= 1.

    Returns:
      The new centers, and how far those in the batch moved (mean Euclidean length).
    """
    num_classes, batch = centers_cd.shape[0], labels_b.shape[0]
    # An index past the end: gathers clip it, and the scatter below drops it.
    labels_b = jnp.where(mask_b, labels_b, num_classes)
    people_p, slot_b = jnp.unique(
        labels_b, return_inverse=True, size=batch, fill_value=num_classes
    )
    gap_bd = centers_cd[labels_b] - x_bd.astype(jnp.float32)
    sum_pd = jax.ops.segment_sum(gap_bd * mask_b[:, None], slot_b, batch)
    count_p = jax.ops.segment_sum(mask_b.astype(jnp.float32), slot_b, batch)
    step_pd = alpha * sum_pd / (1 + count_p)[:, None]
    moved = jnp.linalg.norm(step_pd, axis=-1).sum() / jnp.maximum(
        (count_p > 0).sum(), 1
    )
    return centers_cd.at[people_p].add(-step_pd, mode="drop"), moved


RULES = {"paper": update_centers}


def within_between_ratio(
    x_bd: jax.Array, centers_bd: jax.Array, labels_b: jax.Array, mask_b: jax.Array
) -> jax.Array:
    """Mean squared distance to the own center over that to the others' in the batch.

    Near 1: people overlap. Near 0: each person is a tight cloud far from the others.
    NaN where the batch holds one person only.
    """
    x_bd = x_bd.astype(jnp.float32)
    products_bb = x_bd @ centers_bd.T
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
