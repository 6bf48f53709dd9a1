"""Files and folders that are there whole or not at all."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from errno import EEXIST
from pathlib import Path
from uuid import uuid4

from cl_facenet.errors import InputError

# Of what others would take for a model, a table, a page, a photo or an archive.
FILE_ENDINGS = (
    *(".onnx", ".tflite", ".pb", ".pt", ".pth", ".h5", ".keras", ".safetensors"),
    *(".stablehlo", ".mlir", ".npz", ".npy", ".parquet", ".csv", ".json", ".txt"),
    *(".html", ".pdf", ".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif"),
    *(".tiff", ".zip", ".tar", ".gz", ".tgz"),
)


def write_whole(path: Path, content: bytes, *, overwrite: bool = True) -> None:
    """Writes beside `path`, and then takes its place: a reader never sees half a file.

    Of several who write to one path at once, each writes all of its own.

    Args:
      overwrite: or else it is an error if anything has that name by then.

    Raises:
      OSError: it cannot be written; nothing of it is left.
    """
    partial = path.with_name(f".{uuid4().hex}.partial")
    try:
        partial.write_bytes(content)
        if overwrite or not _link(partial, path):
            os.replace(partial, path)
    finally:
        with suppress(OSError):  # it mostly has its name by now
            partial.unlink()


def _link(partial: Path, path: Path) -> bool:
    """Whether a file could be given a second name that was free.

    Raises:
      FileExistsError: it was not.
    """
    try:
        os.link(partial, path)
    except OSError:
        if os.path.lexists(path):
            raise FileExistsError(EEXIST, os.strerror(EEXIST), str(path)) from None
        return False  # of a file system without such names
    return True


def check_place(path: Path, *, overwrite: bool = False) -> None:
    """Says what can be said before anybody has waited for a file's content.

    Args:
      overwrite: whether a file that is there may be.

    Raises:
      InputError: no file can be written there, or one is there.
    """
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder: name a file in it")
    if not os.path.isdir(path.parent):
        raise InputError(f"{path.parent}: no such folder; make it first")
    if os.path.lexists(path) and not overwrite:
        raise InputError(
            f"{path} is there already: choose another name, or overwrite it by --force "
            "(in Python by overwrite=True)"
        )


def check_ending(path: Path, endings: Sequence[str]) -> None:
    """Refuses a file whose name says that it is of another format.

    Raises:
      InputError: its name has none of the endings.
    """
    if path.suffix not in endings:
        raise InputError(f"{path}: it ends in {' or '.join(endings)}")


def check_folder_name(path: Path) -> None:
    """Refuses what is a file, or is called like one, as a folder to be made.

    Raises:
      InputError: so it is.
    """
    if path.suffix.lower() in FILE_ENDINGS:
        raise InputError(
            f"{path} is to be a folder, but {path.suffix} is a file's ending: give "
            "another name"
        )
    if os.path.lexists(path) and not os.path.isdir(path):
        raise InputError(f"{path} is a file: name a folder to be made")


def check_folder_place(path: Path, *, replaces: Sequence[str] = ()) -> None:
    """As `check_place`, of a folder to be made; it may be there if it is empty.

    Args:
      replaces: names of the files that it may hold: those of one made before.

    Raises:
      InputError: no folder can be made there, or its name is like a file's.
    """
    check_folder_name(path)
    if os.path.isdir(path):
        others = sorted({entry.name for entry in path.iterdir()} - set(replaces))
        if others and replaces:
            raise InputError(
                f"{path} holds {others[0]}, which is not of what is written: choose "
                "another folder"
            )
        if others:
            raise InputError(f"{path} is not empty: choose another folder")
    elif not os.path.isdir(path.parent):
        raise InputError(f"{path.parent}: no such folder; make it first")


def check_apart(source: Path, target: Path) -> None:
    """Refuses to write among what is read, or around it.

    Raises:
      InputError: `target` is `source`, in it or around it, through any links.
    """
    read, written = Path(os.path.realpath(source)), Path(os.path.realpath(target))
    if read.is_relative_to(written) or written.is_relative_to(read):
        raise InputError(f"{target} and {source} overlap: choose a folder beside it")


@contextmanager
def whole_folder(path: Path, *, replaces: Sequence[str] = ()) -> Iterator[Path]:
    """A folder to be filled beside `path`, whose place it takes at the end.

    Its name is its own: what others have there, a killed call's too, stays.

    Args:
      replaces: names of the files that `path` may hold, and that go with it.

    Raises:
      OSError: it cannot be made, or `path` is a file or a folder that is not empty;
        nothing of it is left, nor of what is raised within.
    """
    path = Path(os.path.realpath(path))  # a link stays one
    partial = path.with_name(f".{uuid4().hex}.partial")
    try:
        partial.mkdir()
        yield partial
        if replaces and os.path.isdir(path):
            check_folder_place(path, replaces=replaces)  # nobody's has come meanwhile
            former = path.with_name(f".{uuid4().hex}.former")
            os.replace(path, former)
            os.replace(partial, path)
            shutil.rmtree(former)
        else:
            os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # it mostly has its name by now
