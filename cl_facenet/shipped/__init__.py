"""Saved embedders that come with the package, a folder each."""

import os
from pathlib import Path

from cl_facenet.model_folder import is_model_folder
from cl_facenet.paths import local_path

_HERE = Path(__file__).parent


def names() -> list[str]:
    """What they are called."""
    return sorted(path.name for path in _HERE.iterdir() if is_model_folder(path))


def find(path: str | os.PathLike[str]) -> Path:
    """`path` as it is, or the folder of the one so called, if nothing else is there.

    Raises:
      UsageError: it is a URL.
    """
    there = local_path(path)
    return (
        folder_of(str(path)) if str(path) in names() and not there.exists() else there
    )


def folder_of(name: str) -> Path:
    """Where one is."""
    return _HERE / name
