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
    text = os.fsdecode(path)
    # As it is typed, and as `pathlib` takes it: ./gs://b/run is gs:/b/run to it.
    if scheme := _SCHEME.match(text.strip()) or _SCHEME.match(os.fspath(Path(text))):
        raise UsageError(
            f"{name and f'{name}='}{text}: {scheme[1]}:// paths are not supported; "
            "give a path on this machine"
        )
    # A folder may be called ~old: of the system's users only this one is meant.
    home = text == "~" or text.startswith("~/")
    return Path(text).expanduser() if home else Path(text)
