"""Files from the web: resumed where they broke off, checked, never half there."""

import contextlib
import os
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from cl_facenet.data.archive import fingerprint
from cl_facenet.errors import InputError
from cl_facenet.lock import lock

_BLOCK = 1 << 16
_TIMEOUT = 30  # seconds without a byte


@dataclass(frozen=True)
class RemoteFile:
    """A file that is known by its sha256, and where it can be had, best place first."""

    name: str
    sha256: str
    urls: tuple[str, ...]


def download(file: RemoteFile, directory: Path, *, instead: str) -> Path:
    """The path of the file in `directory`, downloaded unless it is there.

    What has come is kept in NAME.partial, from which the next call goes on after an
    interruption; NAME appears by a rename, when its checksum is right. Of several
    processes one downloads, and the others wait for it.

    Not TFDS's DownloadManager: where nobody answers it tries for minutes, its threads
    hold up an interrupt until they are done, and it begins again after one.

    Args:
        instead: what else the user can do, for the error.

    Raises:
        InputError: no place gives the file with the known sha256, with each place's
            reason, or `directory` cannot be written.
    """
    path = directory / file.name
    partial = path.with_name(f"{path.name}.partial")
    if path.is_file() and fingerprint(path) == file.sha256:
        return path
    alone = lock(
        path.with_name(f".{path.name}.lock"), doing=f"downloading {path}", wait=True
    )
    with contextlib.ExitStack() as held:
        with _writing_to(directory):
            directory.mkdir(parents=True, exist_ok=True)
            held.enter_context(alone)
        if path.is_file() and fingerprint(path) == file.sha256:
            return path  # another process has done it meanwhile
        failures = _fetch_whole(file, partial)
        if len(failures) < len(file.urls):
            os.replace(partial, path)
            return path
    reasons = "; ".join(failures)
    raise InputError(f"{file.name} could not be downloaded ({reasons}): {instead}")


def _fetch_whole(file: RemoteFile, partial: Path) -> list[str]:
    """Fetches from the first place that gives it; why those before it do not."""
    failures: list[str] = []
    for url in file.urls:
        try:
            _fetch(url, partial)
            _check(partial, file.sha256)
        except _NoFileError as error:
            failures.append(f"{url}: {error}")
        else:
            break
    return failures


class _NoFileError(Exception):
    """A place does not give the file; the message says why."""


def _fetch(url: str, partial: Path) -> None:
    """Adds to `partial` what it lacks of the file."""
    with (
        _writing_to(partial.parent),
        partial.open("ab") as target,
        closing(_blocks(url, target.tell())) as blocks,
    ):
        for place, block in blocks:
            target.truncate(place)
            target.write(block)
            target.flush()


def _check(partial: Path, sha256: str) -> None:
    found = fingerprint(partial)
    if found != sha256:
        partial.unlink()
        raise _NoFileError(f"its sha256 is {found}, not {sha256}, so it was deleted")


def _blocks(url: str, start: int) -> Generator[tuple[int, bytes], None, None]:
    """Yields the blocks of a file from `start` on, each with its place in the file.

    From a server that knows no ranges they come from place 0 on.
    """
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            if response.status not in (200, 206):
                raise _NoFileError(f"it answers {response.status} {response.reason}")
            yield from _read(response, start if response.status == 206 else 0)
    except HTTPError as error:
        error.close()
        # 416: nothing lies beyond `start`, so that what is there may be all.
        if not (error.code == 416 and start):
            raise _NoFileError(f"it answers {error.code} {error.reason}") from error
    except URLError as error:
        raise _NoFileError(str(error.reason)) from error
    except (OSError, HTTPException) as error:
        raise _NoFileError(str(error) or type(error).__name__) from error


def _read(response: HTTPResponse, place: int) -> Iterator[tuple[int, bytes]]:
    total = place + response.length if response.length is not None else None
    console = Console(stderr=True)
    with Progress(
        TextColumn("Downloading"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=total, completed=place)
        while block := response.read1(_BLOCK):  # what has come, not a full block
            yield place, block
            place += len(block)
            bar.update(task, completed=place)
    if total is not None and place < total:
        raise _NoFileError(f"it broke off after {place:,} of {total:,} bytes")


@contextlib.contextmanager
def _writing_to(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{directory}: cannot write a download there ({error.strerror}); free some "
            "space or choose another folder"
        ) from error
