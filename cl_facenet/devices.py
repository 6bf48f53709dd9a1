"""JAX on the devices of this machine; what it objects to is the user's environment."""

import os
from typing import Any, cast

from cl_facenet.errors import UsageError


def import_jax() -> None:
    """Imports JAX.

    Raises:
      UsageError: it cannot be, as with an environment variable that it does not know,
        or a jaxlib of another version.
    """
    try:
        import jax  # noqa: F401
    except Exception as error:  # any: its plugins are imported with it
        hint = "pip install --upgrade cl-facenet brings its versions together"
        if variables := _variables():
            hint = f"look at {variables} in the environment, or {hint}"
        raise UsageError(
            f"JAX cannot be imported ({_reason(error)}); {hint}"
        ) from error


def start_jax() -> None:
    """Starts JAX, if it has not started.

    Raises:
      UsageError: it has no device to start on.
    """
    import_jax()
    import jax

    try:
        jax.devices()
        jax.device_put(
            0.0
        ).block_until_ready()  # on the default one, which may be named
    except Exception as error:  # RuntimeError, AssertionError, or a plugin's own
        says, config = _reason(error), cast(Any, jax.config)
        if (wanted := config.jax_platforms) and wanted != "cpu":
            raise UsageError(
                f"JAX_PLATFORMS={wanted}: JAX finds no such device on this machine "
                f"({says}); leave JAX_PLATFORMS out to take what is there, or set it "
                "to cpu"
            ) from error
        hint = "JAX_PLATFORMS=cpu does without an accelerator"
        if variables := _variables():
            hint = f"look at {variables} in the environment"
        raise UsageError(
            f"JAX starts on no device of this machine ({says}); {hint}"
        ) from error


def check_single_precision() -> None:
    """Refuses to train where numbers are of 64 bits unless something else is said.

    Parameters would be, and drawn otherwise: another run under the same config.

    Raises:
      UsageError: they are.
    """
    import jax

    if cast(Any, jax.config).jax_enable_x64:
        raise UsageError(
            "JAX_ENABLE_X64: a training is in 32 bits, which its results are of; leave "
            "it out"
        )


def _variables() -> str:
    """JAX's own in the environment."""
    return ", ".join(sorted(name for name in os.environ if name.startswith("JAX_")))


def _reason(error: Exception) -> str:
    """What JAX says, in one line, without its own advice."""
    says = " ".join(str(error).split()).split(" (set JAX_PLATFORMS=")[0]
    return says or "it has no plugin for it"
