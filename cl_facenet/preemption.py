"""A request to end, as from a machine that is about to be taken away."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Preemption:
    """Whether the process has been asked to end.

    Attributes:
      requested: set once SIGTERM has come.
    """

    def __init__(self) -> None:
        self.requested = False

    def _request(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.requested = True


@contextmanager
def noticing_preemption() -> Iterator[Preemption]:
    """Within it SIGTERM does not end the process but is noticed.

    Signals come to a process's main thread alone: in another one, nothing changes.
    """
    preemption = Preemption()
    if threading.current_thread() is not threading.main_thread():
        yield preemption
        return
    before = signal.signal(signal.SIGTERM, preemption._request)
    try:
        yield preemption
    finally:
        signal.signal(signal.SIGTERM, before)
