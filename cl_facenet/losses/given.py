"""What an identity loss is given, and what it gives."""

from typing import NamedTuple

import jax

Metrics = dict[str, jax.Array]  # float32 scalars


class Given(NamedTuple):
    """What an identity loss may look at.

    Attributes:
      outputs: `features` and `embedding` [B, D], and what the head gives: see
        `FaceNet.outputs`.
      labels: int32 [B].
      mask: bool [B], real rows.
      step: int32 scalar, steps done.
      key: the PRNG key of this step.
    """

    outputs: dict[str, jax.Array]
    labels: jax.Array
    mask: jax.Array
    step: jax.Array
    key: jax.Array
