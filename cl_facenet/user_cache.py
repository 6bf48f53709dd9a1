"""Where what can be made again is kept."""

import os
from pathlib import Path

from cl_facenet.paths import local_path


def default_cache_dir() -> Path:
    """The user's cache folder, after the XDG convention.

    Raises:
      UsageError: XDG_CACHE_HOME is a URL.
    """
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return local_path(base, "XDG_CACHE_HOME") / "cl_facenet"
