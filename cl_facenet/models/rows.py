"""What a network is told of the batch that its maps are of."""

import flax.struct
import jax
import jax.numpy as jnp


@flax.struct.dataclass
class Rows:
    """Which rows of a batch are photos, and where the rest of the batch is.

    Attributes:
      mask: bool [B], False at rows that only fill the batch up.
      axis: the mapped axis along which the batch lies on several devices, if batch
        statistics are to be of all of it; None: they are of these rows.
    """

    mask: jax.Array
    axis: str | None = flax.struct.field(pytree_node=False, default=None)

    @classmethod
    def all_of(cls, batch: jax.Array) -> "Rows":
        """Every row of `batch` [B, ...]."""
        return cls(jnp.ones(batch.shape[0], bool))
