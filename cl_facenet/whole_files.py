"""Files and folders that are there whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from cl_facenet.errors import InputError


def write_whole(path: Path, content: bytes) -> None:
    """Writes beside `path`, and then takes its place: a reader never sees half a file.

    Of several who write to one path at once, each writes all of its own.

    Raises:
      OSError: it cannot be written; nothing of it is left.
    """
    partial = path.with_name(f".{uuid4().hex}.partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        with suppress(OSError):  # it mostly has its name by now
            partial.unlink()


def check_place(path: Path) -> None:
    """Says what can be said before anybody has waited for a file's content.

    Raises:
      InputError: no file can be written there.
    """
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder: name a file in it")
    if not os.path.isdir(path.parent):
        raise InputError(f"{path.parent}: no such folder; make it first")


def check_folder_place(path: Path) -> None:
    """As `check_place`, of a folder to be made; it may be there if it is empty.

    Raises:
      InputError: no folder can be made there.
    """
    if os.path.isdir(path):
        if any(path.iterdir()):
            raise InputError(f"{path} is not empty: choose another folder")
    elif os.path.lexists(path):
        raise InputError(f"{path} is a file: name a folder to be made")
    elif not os.path.isdir(path.parent):
        raise InputError(f"{path.parent}: no such folder; make it first")


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to be filled beside `path`, whose place it takes at the end.

    Raises:
      OSError: it cannot be made, or `path` is a file or a folder that is not empty;
        nothing of it is left, nor of what is raised within.
    """
    partial = path.with_name(path.name + ".partial")
    with suppress(FileNotFoundError):  # of one that was killed
        shutil.rmtree(partial)
    try:
        partial.mkdir()
        yield partial
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # it mostly has its name by now
