"""One training in several processes, each with devices of its own.

Every process runs the same command. All compute, each reads its own rows of every
batch, and the first one writes and prints.
"""

import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from cl_facenet.errors import UsageError

PORT = 8476  # of the first process, where the list of hosts names none

_SETTINGS: dict[str, Any] = {
    # Seconds without a sign of life from one, after which the others end, too.
    "heartbeat_timeout_seconds": 30,
    # Those that have nothing left to do wait so long for the first, which evaluates.
    "shutdown_timeout_seconds": 24 * 60 * 60,
}


def join_cluster() -> None:
    """Joins the processes that the machine's environment speaks of, before JAX starts.

    That of a Cloud TPU, of Slurm, Open MPI or Kubernetes.

    Raises:
      UsageError: it speaks of none.
    """
    try:
        jax.distributed.initialize(**_SETTINGS)
    except (ValueError, RuntimeError) as error:
        says = str(error).splitlines()[0]
        raise UsageError(
            f"--cluster: JAX finds no cluster in this environment ({says}); list its "
            "machines with --hosts"
        ) from error


def join_hosts(hosts: Sequence[str], process_id: int | None) -> None:
    """Joins one process a host, before JAX starts; the first host's is the first.

    Args:
      hosts: names or addresses; the first may have a port, as in name:8476.
      process_id: this one's place in the list; None: that of this machine's name.

    Raises:
      UsageError: which host this is is not known, or the others do not come.
    """
    names = [host.partition(":")[0] for host in hosts]
    if process_id is None:
        here = [i for i, name in enumerate(names) if name in _own_names()]
        if len(here) != 1:
            raise UsageError(
                f"--hosts: this machine, {socket.gethostname()}, is {len(here)} times "
                "in the list; say which it is with --process_id"
            )
        (process_id,) = here
    if not 0 <= process_id < len(hosts):
        raise UsageError(
            f"--process_id is {process_id}: with {len(hosts)} hosts it goes from 0 to "
            f"{len(hosts) - 1}"
        )
    port = hosts[0].partition(":")[2] or str(PORT)
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise UsageError(
            f"--hosts={hosts[0]}: a port is a number from 1 to {2**16 - 1}"
        )
    try:
        jax.distributed.initialize(
            f"{names[0]}:{port}", len(hosts), process_id, **_SETTINGS
        )
    except RuntimeError as error:
        says = str(error).splitlines()[0]
        raise UsageError(
            f"--hosts: not all {len(hosts)} processes met at {names[0]}:{port} ({says})"
        ) from error


def _own_names() -> set[str]:
    name = socket.gethostname()
    return {name, name.partition(".")[0], socket.getfqdn()}


def is_first() -> bool:
    """Whether this process is the one that writes and prints."""
    return jax.process_index() == 0


def wait_for_all(where: str) -> None:
    """Goes on when every process has come here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(where)


@contextmanager
def first_alone(what: str) -> Iterator[None]:
    """Within it the first process is by itself; then the others may find it done."""
    if not is_first():
        wait_for_all(what)
    yield
    if is_first():
        wait_for_all(what)


def of_first(number: int) -> int:
    """The first process's number, in all processes."""
    if jax.process_count() == 1:
        return number
    return int(multihost_utils.broadcast_one_to_all(np.int32(number)))


def greatest(number: int) -> int:
    """The greatest of all processes' numbers."""
    if jax.process_count() == 1:
        return number
    return int(multihost_utils.process_allgather(np.int32(number)).max())


def say(*lines: str) -> None:
    """Prints on the standard error of the first process."""
    if is_first():
        print(*lines, sep="\n", file=sys.stderr)
