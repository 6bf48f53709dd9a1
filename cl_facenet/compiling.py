"""How programs are compiled, and what compiling leaves behind."""

import ctypes
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import jax

Function = TypeVar("Function", bound=Callable[..., Any])

# What XLA gives to its library YNNPACK: all that it does by default but convolutions.
# Those run on Eigen, which keeps both of two cores at 85 % of their matrix peak, where
# YNNPACK had half of it, and a twentieth in gradients to kernels
# (experiments/speed/README.md).
_CPU_OPTIONS = {
    "xla_cpu_experimental_ynn_fusion_type": ",".join(
        f"LIBRARY_FUSION_TYPE_{kind}" for kind in ("DOT", "INDIVIDUAL_DOT", "REDUCE")
    )
}


def jit(function: Function, **options: Any) -> Function:
    """`jax.jit`, with what makes our networks fast where the default backend is a CPU.

    Args:
      options: those of `jax.jit`.
    """
    on_cpu = jax.default_backend() == "cpu"
    compiled: Any = jax.jit(
        function, compiler_options=_CPU_OPTIONS if on_cpu else None, **options
    )
    return compiled


def release_memory() -> None:
    """Gives back to the system what compiling took: half a gigabyte, kept for nothing.

    The compiler's memory stays with the C library otherwise; only that of Linux can be
    asked for it.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
