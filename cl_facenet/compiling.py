"""How programs are compiled, where they are kept, and what compiling leaves behind."""

import ctypes
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

from cl_facenet.forks import check_not_forked
from cl_facenet.user_cache import default_cache_dir

# What XLA gives to its library YNNPACK: sums over maps, where it takes a quarter of the
# time. Products and convolutions run on Eigen, which keeps both of two cores at 85 % of
# their matrix peak, where YNNPACK had half of it, a twentieth in gradients to kernels,
# and wants the factors of other products transposed first
# (experiments/speed/README.md). An experimental option: not every XLA knows it.
_CPU_OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE"}


_SETTING = threading.Lock()  # JAX's settings are the process's


def jit(function: Callable[..., Any], **options: Any) -> jax.stages.Wrapped:
    """`jax.jit`, with what makes our networks fast where the default backend is a CPU.

    Not for functions that are called within another `jit`: JAX refuses options there.

    Args:
      options: those of `jax.jit`.
    """
    return jax.jit(function, compiler_options=_known_options(), **options)


@cache
def _known_options() -> dict[str, Any] | None:
    """The compiler options of the default backend, if its XLA takes them; tried once.

    XLA refuses a whole program for an option that it does not know.
    """
    if jax.default_backend() != "cpu":
        return None
    try:
        jax.jit(lambda x: x, compiler_options=_CPU_OPTIONS).lower(0.0).compile()
    except (jax.errors.JaxRuntimeError, ValueError):
        return None
    return _CPU_OPTIONS


def keep_programs() -> None:
    """From here on, what is compiled is kept on disk for the next process.

    It is in the user's cache folder, unless JAX has been given another one
    (JAX_COMPILATION_CACHE_DIR) or none (JAX_ENABLE_COMPILATION_CACHE=false).

    Raises:
      InputError: this process was forked from one that ran JAX.
    """
    check_not_forked()  # here, as all that runs JAX for long begins with this
    config: Any = jax.config  # its attributes are made when JAX is imported
    with _SETTING:
        if config.jax_compilation_cache_dir is None:
            directory = default_cache_dir() / "compiled"
            config.update("jax_compilation_cache_dir", str(directory))
            compilation_cache.reset_cache()  # JAX looks only once whether it has one


def kept_programs() -> Path | None:
    """The folder that programs are kept in; None: they are not, or not on this disk."""
    config: Any = jax.config
    directory = config.jax_compilation_cache_dir
    is_folder = directory is not None and "://" not in directory
    if not (is_folder and config.jax_enable_compilation_cache):
        return None
    return Path(directory)


def release_memory() -> None:
    """Gives back to the system what compiling took: 0.7 GiB after NN4.Small2's step.

    The compiler's memory stays with the C library otherwise; only that of Linux can be
    asked for it.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
