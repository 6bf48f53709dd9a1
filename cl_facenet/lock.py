"""One process at a time: a lock on a file, which ends with the process that holds it.

However that ends: the operating system sees to it.
"""

import contextlib
import errno
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from cl_facenet.errors import InputError, reason_of

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# Of this process's locks; a fork of it would keep them.
_held: set[int] = set()
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


@contextlib.contextmanager
def lock(path: Path, *, doing: str, wait: bool = False) -> Iterator[None]:
    """Within it, no other process and no other thread is within one of this path.

    The file tells who holds it, and is gone behind it.

    Args:
      doing: what is done within, for others: "training in runs/one".
      wait: until another is done, rather than to raise.

    Raises:
      InputError: another holds it; who, and where.
      OSError: the file cannot be made.
    """
    if fcntl is None:
        _go_on_without(path, "this system has none")
        yield
        return
    file = _open_locked(path, doing, wait)
    try:
        yield
    finally:
        if file is not None:
            _held.discard(file)
            with contextlib.suppress(OSError):
                path.unlink()  # while it is held: by its inode others see that it went
            os.close(file)


def _open_locked(path: Path, doing: str, wait: bool) -> int | None:
    """The locked file; None where the file system has no locks."""
    has_waited = False
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(file, 1000).decode(errors="replace").strip()
            os.close(file)
            if not wait:
                raise InputError(
                    f"another process is {doing} ({holder or 'unknown'}): wait for it, "
                    "or end it first"
                ) from error
            if not has_waited:
                says = f"waiting for another process that is {doing} ({holder})"
                print(says, file=sys.stderr)
                has_waited = True
            time.sleep(0.2)
        except OSError as error:
            os.close(file)
            if error.errno not in _NO_LOCKS:
                raise
            _go_on_without(path, reason_of(error))
            return None
        else:
            if _is_still(path, file):
                os.ftruncate(file, 0)
                _held.add(file)
                os.write(file, f"process {os.getpid()} on {_host()}\n".encode())
                return file
            os.close(file)  # of one that was done between the two calls above


def _let_go() -> None:
    for file in _held:
        os.close(file)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def _is_still(path: Path, file: int) -> bool:
    """Whether the path leads to the open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False


def _host() -> str:
    return socket.gethostname()


def _go_on_without(path: Path, reason: str) -> None:
    print(
        f"{path.parent} cannot be locked ({reason}): see that no other process writes "
        "there",
        file=sys.stderr,
    )
