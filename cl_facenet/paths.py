"""Paths as users type them."""

import os
import re
from pathlib import Path

from cl_facenet.errors import UsageError

# gs://bucket/run, and what `pathlib` leaves of it: gs:/bucket/run. A scheme of one
# letter is a drive.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


def local_path(path: str | os.PathLike[str], name: str = "") -> Path:
    """The path on this machine's file system, with `~` expanded.

    Args:
      name: of the flag, key or variable that it was given by, for errors.

    Raises:
      UsageError: it is a URL, such as gs://bucket/run; `pathlib` would make a local
        folder named `gs:` of it.
    """
    text = os.fspath(path)
    if scheme := _SCHEME.match(text):
        raise UsageError(
            f"{name and f'{name}='}{text}: {scheme[1]}:// paths are not supported; "
            "give a path on this machine"
        )
    return Path(text).expanduser()
