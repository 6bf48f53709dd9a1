"""Archives of photos, unpacked where they can do no harm."""

import contextlib
import hashlib
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from cl_facenet.errors import InputError

# As the folders of unfinished records, to be cleared away with them after a kill.
UNFINISHED = ".preparing-"


@contextlib.contextmanager
def unpacked(archive: Path, workspace: Path) -> Iterator[Path]:
    """A temporary folder below `workspace` with what a tar or zip archive holds.

    Folders that hold nothing but one folder are passed through, so that people are
    right below the path that is given.

    Raises:
        InputError: no archive, a damaged one, or a member that would leave the folder.
    """
    workspace.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=workspace) as name:
        folder = Path(name)
        try:
            if zipfile.is_zipfile(archive):
                _unpack_zip(archive, folder)
            else:
                with tarfile.open(archive) as tar:
                    # The filter refuses links and paths that lead out, and devices.
                    tar.extractall(folder, filter="data")
        except tarfile.FilterError as error:
            raise InputError(
                f"{archive}: refused, a member would leave the folder ({error})"
            ) from error
        except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise InputError(f"{archive}: not a readable tar or zip archive") from error
        yield _people_in(folder)


def fingerprint(archive: Path) -> str:
    """sha256 of the archive's bytes."""
    with archive.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as zipped:
        for member in zipped.namelist():
            if not (folder / member).resolve().is_relative_to(folder.resolve()):
                raise InputError(
                    f"{archive}: refused, a member would leave the folder ({member!r})"
                )
        zipped.extractall(folder)


def _people_in(folder: Path) -> Path:
    while True:
        entries = [entry for entry in folder.iterdir() if entry.name[0] != "."]
        if len(entries) != 1 or not entries[0].is_dir():
            return folder
        inside = entries[0]
        if not any(entry.is_dir() for entry in inside.iterdir()):
            return folder  # one person, whose photos these are
        folder = inside
