"""One operation, two ways to compute it."""

from collections.abc import Callable

import jax


def by_platform(
    cpu: Callable[..., jax.Array], elsewhere: Callable[..., jax.Array]
) -> Callable[..., jax.Array]:
    """The function of arrays that is `cpu` on a CPU, and `elsewhere` on others.

    Which it is, is decided when a program is compiled for its platform; the other
    leaves no trace in it.
    """
    return lambda *arrays: jax.lax.platform_dependent(
        *arrays, cpu=cpu, default=elsewhere
    )
