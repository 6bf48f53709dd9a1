"""Where what can be made again is kept."""

import os
from pathlib import Path


def default_cache_dir() -> Path:
    """The user's cache folder, after the XDG convention."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "cl_facenet"
