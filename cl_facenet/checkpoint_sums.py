"""The sums of a checkpoint's files, which tell damage from trouble in reading it.

Damage is in the files, and stays: they are not those that were written. Trouble is in
getting at them, or in the memory to hold them, and goes away. What is in doubt is
trouble: for it nothing is given up.
"""

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from cl_facenet.whole_files import write_whole

SUMS = "sums.json"

# What tensorstore and jaxlib say of content that cannot be, in their status codes ...
_DAMAGE = re.compile("DATA_LOSS|OUT_OF_RANGE|NOT_FOUND|FAILED_PRECONDITION|INVALID_ARG")
# ... and of a system that does not let them read.
_TROUBLE = re.compile(
    "os_error_code|RESOURCE_EXHAUSTED|UNAVAILABLE|DEADLINE_EXCEEDED|PERMISSION_DENIED|"
    "(?i:out of memory|allocat)"
)


class DamageError(Exception):
    """A checkpoint is not as it was written; the message says what is wrong."""


def write_sums(step: Path, items: Collection[str]) -> None:
    """Writes the sums of all files of a step's items beside them."""
    sums = {path: _sum(step / path) for path in sorted(_files(step, items))}
    write_whole(step / SUMS, (json.dumps(sums, indent=1) + "\n").encode())


def check_sums(step: Path, items: Collection[str]) -> bool:
    """Whether sums are known of the files of these items; if so, they are right.

    Raises:
      DamageError: a file is lost or is another than was written.
      OSError: one cannot be read.
    """
    try:
        content = (step / SUMS).read_bytes()
    except FileNotFoundError:  # saved before there were sums
        return False
    try:
        sums = dict(json.loads(content))
    except (ValueError, TypeError) as error:
        raise DamageError(f"{SUMS} is no JSON ({error})") from error
    for path, expected in sums.items():
        if path.split("/")[0] in items:
            _check(step, path, expected)
    return True


def is_damage(error: BaseException, step: Path) -> bool:
    """Whether an error in reading a step without sums tells of damage.

    Raises:
      OSError: one of its files cannot be read: that tells of trouble.
    """
    errors = list(_chain(error))
    if any(isinstance(e, MemoryError) or _TROUBLE.search(str(e)) for e in errors):
        return False
    if any(isinstance(e, OSError) and e.errno not in (None, 2) for e in errors):
        return False
    for path in _files(step, [item.name for item in step.iterdir() if item.is_dir()]):
        with (step / path).open("rb") as file:
            while file.read(1 << 20):
                pass
    # Decoders of JSON, and what they make of an object without what should be in it.
    kinds = (FileNotFoundError, ValueError, KeyError)
    return any(
        _DAMAGE.match(str(e)) or (isinstance(e, kinds) and not _has_status(e))
        for e in errors
    )


def _has_status(error: BaseException) -> bool:
    return bool(re.match("[A-Z_]+: ", str(error)))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _check(step: Path, path: str, expected: str) -> None:
    try:
        found = _sum(step / path)
    except FileNotFoundError as error:
        raise DamageError(f"{path} is lost") from error
    if found != expected:
        raise DamageError(f"{path} has another sum than when it was written")


def _files(step: Path, items: Collection[str]) -> Iterator[str]:
    """The files of these items, by their paths below the step."""

    def fail(error: OSError) -> None:
        raise error

    for item in items:
        for folder, _, names in os.walk(step / item, onerror=fail):
            below = Path(folder).relative_to(step)
            yield from ((below / name).as_posix() for name in names)


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
