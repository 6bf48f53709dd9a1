"""Whether an embedding is losing what it should tell people apart by."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

# Of ORL's faces, trained as configs/nn4.py does, it is 10 at first and never below 3.
LOWEST_RANK = 1.5
# 1: one's own center is as far as anybody's. There it is 0.98 after 10 steps and 0.5
# after 30; of triplets that collapsed ("batch hard" at ten times the rate) it was above
# 0.98 for good.
HIGHEST_RATIO = 0.98
# Every training begins with photos that look alike to the network.
GRACE = 0.25  # of all steps


def effective_rank(x_bd: jax.Array, mask_b: jax.Array) -> jax.Array:
    """In how many directions the real rows of x differ from their mean, 1 to D.

    (sum of eigenvalues)^2 / sum of their squares, of the rows' covariance: the
    participation ratio. 0 where no row differs from another.
    """
    weight_b1 = mask_b.astype(jnp.float32)[:, None]
    count = jnp.maximum(weight_b1.sum(), 1)
    x_bd = x_bd.astype(jnp.float32)
    gap_bd = (x_bd - jnp.sum(x_bd * weight_b1, 0) / count) * weight_b1
    products_bb = jnp.matmul(gap_bd, gap_bd.T, precision="highest")
    squares = jnp.sum(jnp.square(products_bb))
    return jnp.where(
        squares > 0, jnp.square(jnp.trace(products_bb)) / jnp.maximum(squares, 1e-30), 0
    )


def collapse_warning(row: Mapping[str, float], num_steps: int) -> str | None:
    """A line if a row of metrics.jsonl is that of a collapsed embedding."""
    step = int(row["step"])
    if step < GRACE * num_steps:
        return None
    rank = row.get("train/effective_rank", LOWEST_RANK)
    ratio = row.get("train/within_between_ratio", 0.0)
    signs = []
    if rank < LOWEST_RANK:
        signs.append(f"the photos of a batch differ in {rank:.1f} directions")
    if ratio > HIGHEST_RATIO:
        signs.append(f"own centers are {ratio:.2f} times as far as others'")
    if not signs:
        return None
    return (
        f"the embedding tells nobody apart at step {step} of {num_steps}: "
        f"{' and '.join(signs)}; lower optimizer.learning_rate or center.weight"
    )
