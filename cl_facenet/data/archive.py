"""Archives of photos, unpacked where they can do no harm."""

import contextlib
import hashlib
import os
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from cl_facenet.data.walk import is_photo, is_system
from cl_facenet.errors import InputError, reason_of

# As the folders of unfinished records, to be cleared away with them after a kill.
UNFINISHED = ".preparing-"

# Photos are compressed already: what grows to more than both of these is no photos.
_HARMLESS = 1 << 30  # bytes
_GROWTH = 100  # times the archive
_DEEPEST = 32  # folders in folders: to delete them takes an open file for each
_LONGEST_HEADER = 1 << 16  # bytes of names and attributes, which are read into memory


@contextlib.contextmanager
def unpacked(archive: Path, workspace: Path) -> Iterator[Path]:
    """A temporary folder below `workspace` with what a tar or zip archive holds.

    Folders that hold one folder and no photos are passed through, so that people are
    right below the path that is given. Of members of one name the last counts.

    Raises:
        InputError: no archive, a damaged or encrypted one, one that holds more than
            photos can, a link, a device or a member that would leave the folder; or
            one raised inside, which then names the archive and not the folder.
    """
    workspace.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=workspace) as name:
        _unpack(archive, Path(name))
        try:
            yield _people_in(Path(name))
        except InputError as error:
            raise InputError(str(error).replace(name, str(archive))) from error


def fingerprint(archive: Path) -> str:
    """sha256 of the archive's bytes."""
    with archive.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(archive: Path, folder: Path) -> None:
    unpack = _unpack_zip if zipfile.is_zipfile(archive) else _unpack_tar
    try:
        unpack(archive, folder)
    except _RefusedError as error:
        raise InputError(f"{archive}: refused, {error}") from error
    except tarfile.FilterError as error:
        raise InputError(
            f"{archive}: refused, a member would leave the folder ({error})"
        ) from error
    except MemoryError:
        raise
    # Damaged archives make their readers raise far more than they say, also OSError
    # without a number.
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            reason = reason_of(error).replace(f"{folder}{os.sep}", "")
            raise InputError(
                f"{archive}: cannot be unpacked in {folder.parent} ({reason}); check "
                "the space there, and the names in the archive"
            ) from error
        # Of a file in no format there are four lines more, one a format.
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")
        raise InputError(
            f"{archive}: not a readable tar or zip archive ({reason}); get it again, "
            "or unpack it and give the folder"
        ) from error


class _RefusedError(Exception):
    """A member is not written; the message says which and why."""


class _Guard:
    """Looks at every member of an archive before any of it is written."""

    def __init__(self, archive: Path, folder: Path) -> None:
        self._folder = folder.resolve()
        self._left = max(_HARMLESS, _GROWTH * archive.stat().st_size)

    def check(self, name: str, size: int) -> None:
        """Refuses what leads out of the folder, too deep into it, or fills the disk.

        Raises:
            _RefusedError: so it does.
        """
        if not (self._folder / name).resolve().is_relative_to(self._folder):
            raise _RefusedError(f"a member would leave the folder ({name!r})")
        if name.count("/") > _DEEPEST:
            raise _RefusedError(f"a member is too deep in folders ({name[:80]!r} ...)")
        self._left -= size
        if size < 0 or self._left < 0:
            raise _RefusedError(
                f"it would unpack to more than {_GROWTH} times its size ({name!r}); if "
                "these are photos, unpack them and give the folder"
            )


def _unpack_zip(archive: Path, folder: Path) -> None:
    guard = _Guard(archive, folder)
    with zipfile.ZipFile(archive) as zipped:
        for member in zipped.infolist():
            guard.check(member.filename, member.file_size)
        zipped.extractall(folder)


def _unpack_tar(archive: Path, folder: Path) -> None:
    guard = _Guard(archive, folder)

    def plain(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo:
        # Without links no name can lead out in a way that the filter does not see; of
        # some versions of Python it does not see all.
        if not (member.isdir() or member.isreg()) or member.issparse():
            raise _RefusedError(
                f"{member.name!r} is a link or a device; pack files only, as tar does "
                "with --dereference --hard-dereference"
            )
        kept = tarfile.data_filter(member, path)
        guard.check(kept.name, kept.size)
        # Any number may be in there, and a folder as old as its archive would be
        # cleared away as a leftover.
        return kept.replace(mtime=time.time(), deep=False)

    with tarfile.open(archive, tarinfo=_Header) as tar:
        tar.extractall(folder, filter=plain)
        # On to the checksum behind the last member.
        while tar.fileobj is not None and tar.fileobj.read(1 << 20):
            pass


class _Header(tarfile.TarInfo):
    """What stands before a member; a damaged one is not the archive's end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        """The header in a block.

        Raises:
            ReadError: it is damaged or cut off, or claims an impossible size.
            HeaderError: it is zeros, which are the end.
        """
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf and not any(buf):
                raise
            raise tarfile.ReadError(str(error)) from error
        longest = float("inf") if header.isreg() else _LONGEST_HEADER
        if not 0 <= header.size <= longest:
            raise tarfile.ReadError(f"a header of {header.size} bytes")
        return header


def _people_in(folder: Path) -> Path:
    while True:
        folders, photos = _right_in(folder)
        if len(folders) != 1 or photos:
            return folder
        below, photos = _right_in(folders[0])
        if photos or not below:
            return folder  # one person, whose photos these are
        folder = folders[0]


def _right_in(folder: Path) -> tuple[list[Path], bool]:
    """The folders right in one, and whether photos are there."""
    entries = [entry for entry in folder.iterdir() if not is_system(entry.name)]
    folders = [entry for entry in entries if entry.is_dir()]
    return folders, any(map(is_photo, set(entries) - set(folders)))
