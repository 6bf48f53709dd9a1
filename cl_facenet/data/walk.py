"""The photos below a folder, and all that is passed over: the walk of every command.

A photo is what begins as one, or what is named like one and so is a damaged one. All
below a folder's entry are of that entry, however deep. Links are followed, but not in
circles, and what a link names a second time is passed over. So are hidden files and
folders, and those that file systems and archivers keep for themselves.
"""

import errno
import hashlib
import heapq
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from cl_facenet.data.image_files import (
    RAW,
    format_of,
    is_named_like_one,
    without_ending,
)
from cl_facenet.errors import InputError, reason_of

# Of macOS, Synology, QNAP, Windows and Linux; other such names begin with a dot.
SYSTEM = {
    *("__macosx", "icon\r", "network trash folder", "temporary items"),
    *("@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot"),
    *("$recycle.bin", "recycler", "recycled", "system volume information"),
    *("desktop.ini", "ehthumbs.db", "ehthumbs_vista.db", "picasa.ini", "thumbs.db"),
    *("lost+found", "lost.dir", "~snapshot", "@__thumb", "@sharebin", "@synoresource"),
    "thevolumesettingsfolder",
}

_SAMPLE = 256  # bytes, of a file's beginning and of its end

# What the system says of a link that leads to nothing.
_NOWHERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}


@dataclass(frozen=True)
class PhotoFile:
    """A photo that was not read yet.

    Attributes:
        name: its path below the folder, with slashes.
        real: its path without links.
        size, mtime_ns: of the file.
        sample: a digest of the first and last bytes; empty where it may not be read.
    """

    name: str
    real: str
    size: int
    mtime_ns: int
    sample: bytes

    @property
    def known_as(self) -> str:
        """What tells it from another file of its name."""
        return f"{self.size}-{self.mtime_ns}-{self.sample.hex()}"


@dataclass(frozen=True)
class Walked:
    """What is below a folder.

    Attributes:
        folders: names of the folders right in it.
        photos: in natural order, folder by folder.
        passed_over: names of what is no photo, folders with a slash behind: in natural
            order, and then what is hidden or a system's.
    """

    folders: list[str]
    photos: list[PhotoFile]
    passed_over: list[str]


def walk(root: str | os.PathLike[str]) -> Walked:
    """Looks at all that is below a folder, by the first bytes of each file.

    Raises:
        InputError: anything that may not be looked at.
    """
    try:
        return _Walk(os.fspath(root)).run()
    except OSError as error:
        raise cannot_look(error) from error


def cannot_look(error: OSError) -> InputError:
    """What is said of what may not be looked at, which is never passed over."""
    return InputError(f"{reason_of(error)}; make it readable, or leave it out")


def is_system(name: str) -> bool:
    """Whether a file or folder is hidden, or one that a system keeps for itself."""
    folded = name.casefold()
    is_found = re.fullmatch(r"found\.\d{3}", folded)  # by Windows's check of a disk
    return name[0] == "." or folded in SYSTEM or is_found is not None


def is_photo(path: Path) -> bool:
    """Whether a file begins as a photo or is named like one."""
    file = _Folder(path.name, str(path))
    return _photo_at(str(path), file, path.is_file()) is not None


def identity_of(name: str) -> str:
    """Whose photo it is: ann/1.jpg, ann/old/2.jpg and ann.jpg are of ann."""
    top, _, below = name.partition("/")
    return top if below else without_ending(top)


def natural_order(name: str) -> tuple[list[str | int], str]:
    """Sort key that compares runs of digits as numbers: s2 before s10."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def path_order(name: str) -> list[tuple[list[str | int], str]]:
    """Natural order of paths: all of a folder stays together."""
    return [natural_order(part) for part in name.rstrip("/").split("/")]


@dataclass(frozen=True)
class _Folder:
    """One to be looked into: its name, with a slash behind, and where it really is."""

    name: str
    real: str


class _Walk:
    """One walk, and what it has seen."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._folders: list[str] = []
        self._photos: list[PhotoFile] = []
        self._passed_over: list[str] = []
        self._links: list[tuple[Any, str, _Folder]] = []  # a heap, by name
        # By the first part of the name: where what was seen really is.
        self._seen: dict[str, set[str]] = {}

    def run(self) -> Walked:
        self._look_into(_Folder("", os.path.realpath(self._root)))
        # Behind all that is really there, so that it is links that are passed over.
        while self._links:
            self._follow(heapq.heappop(self._links)[-1])
        return Walked(
            sorted(self._folders, key=natural_order),
            sorted(self._photos, key=lambda photo: path_order(photo.name)),
            sorted(self._passed_over, key=_others_first),
        )

    def _look_into(self, folder: _Folder) -> None:
        pending = [folder]
        while pending:
            folder = pending.pop()
            self._is_new(folder)
            path = os.path.join(self._root, folder.name)
            with os.scandir(path.rstrip(os.sep) or path) as entries:
                for entry in entries:
                    inside = self._look_at(entry, folder)
                    if inside:
                        pending.append(inside)

    def _look_at(self, entry: os.DirEntry[str], parent: _Folder) -> _Folder | None:
        """Notes a file or a link; returns a folder."""
        real = os.path.join(parent.real, entry.name)
        found = _Folder(parent.name + entry.name, real)
        is_folder = entry.is_dir(follow_symlinks=False)
        if is_system(entry.name):
            self._passed_over.append(found.name + "/" * is_folder)
        elif entry.is_symlink():
            link = _Folder(found.name, parent.real)
            heapq.heappush(self._links, (path_order(link.name), link.name, link))
        elif is_folder:
            if not parent.name:
                self._folders.append(found.name)
            return _Folder(f"{found.name}/", real)
        else:
            self._note(found, entry.is_file(follow_symlinks=False))
        return None

    def _follow(self, link: _Folder) -> None:
        """Notes what a link leads to; its `real` is the folder that it lies in."""
        path = os.path.join(self._root, link.name)
        real, mode = os.path.realpath(path), _mode(path)
        if not stat.S_ISDIR(mode):
            self._note(_Folder(link.name, real), stat.S_ISREG(mode))
            return
        within = os.path.join(link.real, "").startswith(os.path.join(real, ""))
        inside = _Folder(f"{link.name}/", real)
        if within or not self._is_new(inside):
            self._passed_over.append(inside.name)
            return
        if "/" not in link.name:
            self._folders.append(link.name)
        self._look_into(inside)

    def _note(self, file: _Folder, is_regular: bool) -> None:
        photo = _photo_at(os.path.join(self._root, file.name), file, is_regular)
        if photo is None or not self._is_new(file):
            self._passed_over.append(file.name)
        else:
            self._photos.append(photo)

    def _is_new(self, found: _Folder) -> bool:
        """Notes where it really is; False: under the same first name it was before."""
        seen = self._seen.setdefault(found.name.partition("/")[0], set())
        known = found.real in seen
        seen.add(found.real)
        return not known


def _mode(path: str) -> int:
    """Of what a path leads to; 0: to nothing.

    Raises:
        OSError: nobody can say.
    """
    try:
        return os.stat(path).st_mode
    except OSError as error:
        if error.errno in _NOWHERE:
            return 0
        raise


def _photo_at(path: str, file: _Folder, is_regular: bool) -> PhotoFile | None:
    """None: it neither begins as a photo nor is named like one."""
    if not is_regular:  # to open a pipe would be to wait for its other end
        if not is_named_like_one(file.name):
            return None
        status = os.stat(path) if os.path.exists(path) else os.lstat(path)
        return PhotoFile(file.name, file.real, status.st_size, status.st_mtime_ns, b"")
    sample = b""
    try:
        with open(path, "rb", buffering=0) as opened:
            form = format_of(opened, file.name)
            if form in (None, RAW) and not is_named_like_one(file.name):
                return None
            status = os.fstat(opened.fileno())
            sample = _sample(opened, status.st_size)
    except OSError:  # what may not be read may be a photo, and says so when it is read
        status = os.stat(path)
    return PhotoFile(file.name, file.real, status.st_size, status.st_mtime_ns, sample)


def _sample(file: BinaryIO, size: int) -> bytes:
    digest = hashlib.blake2b(digest_size=8)
    for place in (0, max(0, size - _SAMPLE)):
        file.seek(place)
        digest.update(file.read(_SAMPLE))
    return digest.digest()


def _others_first(name: str) -> tuple[bool, list[tuple[list[str | int], str]]]:
    parts = name.rstrip("/").split("/")
    return any(map(is_system, parts)), path_order(name)
