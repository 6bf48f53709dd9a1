"""Pillow without its remarks: whether a photo is read is said elsewhere."""

import logging
import threading
import warnings


class _Quiet:
    """Keeps Pillow's warnings away while any thread is inside.

    Filters are the process's and not a thread's, and `warnings.catch_warnings` in two
    threads at once may leave its own behind: so the first that enters sets one, and the
    last that leaves takes it away.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._kept = warnings.catch_warnings()
                self._kept.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
                self._logger = logging.getLogger("PIL")
                self._level = self._logger.level
                self._logger.setLevel(logging.CRITICAL)
            self._inside += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._logger.setLevel(self._level)
                self._kept.__exit__(None, None, None)


QUIET = _Quiet()
