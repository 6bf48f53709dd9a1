"""Saved embedders that come with the package, a folder each."""

from pathlib import Path

from cl_facenet.model_folder import is_model_folder

_HERE = Path(__file__).parent


def names() -> list[str]:
    """What they are called."""
    return sorted(path.name for path in _HERE.iterdir() if is_model_folder(path))


def folder_of(name: str) -> Path:
    """Where one is."""
    return _HERE / name
