"""Memory in pages of 2 MiB that stays, for training on a CPU under Linux."""

import os
import platform
import sys
from pathlib import Path

# What a process has to be started with: glibc's allocator then asks for huge pages, and
# what a step has freed is the next one's. Otherwise it goes back to the system, which
# clears it before it gives it out again, and after a pause has to look for it.
_TUNABLES = {
    "hugetlb": 1,
    "mmap_max": 0,  # nothing by itself: all on the heap,
    "trim_threshold": 2**33,  # of which so much may lie free
}
ENVIRONMENT = {
    "GLIBC_TUNABLES": ":".join(f"glibc.malloc.{k}={v}" for k, v in _TUNABLES.items())
}

_KERNEL = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def restart_with_huge_pages() -> None:
    """Has this process begin again, its C library asking for huge pages; only once.

    Without, a step's arrays are mapped afresh every time, and 4 KiB at a time that
    takes a seventh of it (experiments/speed/README.md). The library reads its settings
    before anything else runs, so that a process cannot change its own. Whoever has set
    GLIBC_TUNABLES is left alone, and so are systems where there is nothing to ask for.
    """
    if (
        not ENVIRONMENT.keys().isdisjoint(os.environ)
        or platform.libc_ver()[0] != "glibc"
    ):
        return
    try:
        on_request = "[madvise]" in _KERNEL.read_text()
    except OSError:  # a kernel without them, or a container that hides it
        return
    if on_request:
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, command, os.environ | ENVIRONMENT)
