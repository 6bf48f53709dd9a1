"""A request to end, as from a machine that is about to be taken away."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import jax
from jax.experimental import multihost_utils


@contextmanager
def noticing_preemption() -> Iterator[Callable[[int], bool]]:
    """Within it SIGTERM does not end the process but is noticed.

    Gives the function from a step's number to whether to end behind it. Of several
    processes, one being asked is enough, and all get the same answer at the same step:
    JAX sees to that. Signals come to a process's main thread alone: in another one,
    nothing changes.
    """
    if jax.process_count() > 1:
        yield multihost_utils.reached_preemption_sync_point
        return
    requested = threading.Event()

    def request(number: int, frame: FrameType | None) -> None:
        del number, frame
        requested.set()

    if threading.current_thread() is not threading.main_thread():
        yield lambda step: False
        return
    before = signal.signal(signal.SIGTERM, request)
    try:
        yield lambda step: requested.is_set()
    finally:
        signal.signal(signal.SIGTERM, before)
