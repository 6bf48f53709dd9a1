"""Processes that were forked from one that runs JAX: its threads are not in them."""

import os
import sys
from collections.abc import Callable

from cl_facenet.errors import InputError

_ran_jax_before = False  # the process that this one was forked from, or one before it
_runs_jax = False  # at the last fork


def check_not_forked() -> None:
    """Stands before all that runs JAX: what waits for its threads would not end.

    Raises:
      InputError: this process was forked from one that ran JAX.
    """
    if _ran_jax_before:
        raise InputError(
            "this process was forked from one that runs JAX, which cannot go on in it: "
            "start workers with multiprocessing.get_context('spawn')"
        )


def in_forked_children(act: Callable[[], None]) -> None:
    """Calls `act` at the start of every process that is forked from this one."""
    if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
        os.register_at_fork(after_in_child=act)


def _look() -> None:
    global _runs_jax
    _runs_jax = _is_started()


def _is_started() -> bool:
    # JAX has no public word for it; the import of JAX alone starts no thread.
    bridge = sys.modules.get("jax._src.xla_bridge")
    says = getattr(bridge, "backends_are_initialized", None)
    return says is not None and says()


def _has_lost_threads() -> bool:
    """Whether JAX was started, and none of its threads is here (of Linux only)."""
    tasks = "/proc/self/task"
    return _is_started() and os.path.isdir(tasks) and len(os.listdir(tasks)) == 1


def _remember() -> None:
    global _ran_jax_before
    _ran_jax_before = _ran_jax_before or _runs_jax


_ran_jax_before = _has_lost_threads()  # where it was forked before this is imported
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_look)
in_forked_children(_remember)
