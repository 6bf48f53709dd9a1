"""Where a command writes: over nothing that it reads, nor, unasked, what is there."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from cl_facenet.errors import InputError, UsageError
from cl_facenet.paths import local_path
from cl_facenet.whole_files import check_ending, check_place


def add_force(parser: argparse.ArgumentParser) -> None:
    """--force."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="overwrite the output if it is there (never a photo that is read, nor a "
        "folder with other files in it)",
    )


def add_former_output(parser: argparse.ArgumentParser) -> None:
    """The output where it stood once, behind the input, to tell where it stands now."""
    parser.add_argument("former_output", nargs="?", help=argparse.SUPPRESS)


def required_output(arguments: argparse.Namespace, example: str) -> Path:
    """What --out names.

    Raises:
      UsageError: nothing, or a path stands where the output stood once.
    """
    if arguments.former_output is not None:
        raise UsageError(
            f"{arguments.former_output}: an output is named by --out=: type "
            f"--out={arguments.former_output}, as in {example}"
        )
    if arguments.out is None:
        raise UsageError(f"--out= is missing, as in {example}")
    return local_path(arguments.out)


def output_file(
    flag: str,
    given: str | os.PathLike[str],
    endings: Sequence[str],
    *,
    force: bool,
    reads: Sequence[Path],
) -> Path:
    """Where a file can be written; all is said before anybody has waited for it.

    Args:
      flag: by which the path was given.
      reads: the photos, and folders of photos, that the command reads.

    Raises:
      InputError: no file can be written there, one is there and not to be overwritten,
        or it is a photo that is read.
      UsageError: another ending.
    """
    path = local_path(given)
    if not os.path.isdir(path):
        try:
            check_ending(path, endings)
        except InputError as error:
            raise UsageError(f"{flag}={error}") from error
    check_place(path, overwrite=force)
    if os.path.exists(path) and any(_is_read(path, source) for source in reads):
        raise InputError(f"{path} is one of the photos to be read: choose another name")
    return path


def _is_read(path: Path, source: Path) -> bool:
    """Whether a file is a photo, or among those of a folder, through any links."""
    from cl_facenet.data.folder import photos_below

    files = [source]
    if os.path.isdir(source):
        files = [source / photo.name for photo in photos_below(source).photos]
    return any(os.path.exists(file) and os.path.samefile(file, path) for file in files)
