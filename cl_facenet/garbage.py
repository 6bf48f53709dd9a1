"""When Python is not to look for garbage."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """For imports and for tracing, which keep nearly all that they make.

    A seventh of their time would go by in looking for what they do not. Objects stay
    alive until their last reference goes, as ever; only cycles wait.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
