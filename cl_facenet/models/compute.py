"""How a trunk's maps are computed: in which precision, and which of them are kept."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

DTYPES = ("float32", "bfloat16")


class Compute(NamedTuple):
    """What changes the memory and the speed of a trunk, but not what it is.

    Attributes:
      dtype: of maps and of the kernels that meet them, one of DTYPES. Parameters,
        statistics, norms, and all that is behind the trunk are float32.
      remat: keep for the gradient what goes into a block alone, and compute the rest
        of it a second time.
    """

    dtype: str = "float32"
    remat: bool = False

    def cast(self, images: jax.Array) -> jax.Array:
        """The first map, in the precision of all."""
        return images.astype(jnp.dtype(self.dtype))

    def block(
        self, function: Callable[..., jax.Array], module: nn.Module, *maps: Any
    ) -> jax.Array:
        """function(module, *maps), as a block."""
        return (nn.remat(function) if self.remat else function)(module, *maps)
