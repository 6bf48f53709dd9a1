"""The same folder under a path that other libraries take literally.

Orbax looks for files by a pattern that begins with the folder's own path, takes some
paths for URLs, and neither it nor array_record opens a path that is not UTF-8.
"""

import atexit
import functools
import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path

from cl_facenet.errors import InputError

# Whatever else there is, from `[` to bytes that are no text, is some library's pattern,
# escape or end of line. Paths have 4096 bytes at most, and Orbax makes long names.
_PLAIN = re.compile(r"/[\w /.,+=@~()'-]{0,1000}")


def plain_path(folder: Path) -> Path:
    """`folder`, which is there, as an absolute path that every library opens.

    If need be that is a link to it, in a temporary folder of this process.

    Raises:
      InputError: there is no folder for such a link.
    """
    folder = Path(os.path.abspath(folder))
    return folder if _is_plain(folder) else _link_to(folder)


def _is_plain(path: Path) -> bool:
    # /gs/bucket is a bucket to Orbax.
    is_bucket = path.parts[1:2] and path.parts[1] in ("gs", "s3", "az", "hf")
    return bool(_PLAIN.fullmatch(os.fspath(path))) and not is_bucket


@functools.cache
def _link_to(folder: Path) -> Path:
    link = _links() / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    link.symlink_to(folder, target_is_directory=True)
    return link


@functools.cache
def _links() -> Path:
    """A folder of links, which ends with this process."""
    for parent in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):
        if _is_plain(Path(os.path.abspath(parent))) and os.access(parent, os.W_OK):
            links = Path(tempfile.mkdtemp(prefix="cl_facenet-", dir=parent))
            atexit.register(_remove, links, os.getpid())
            return links
    raise InputError(
        f"no folder for temporary files: {tempfile.gettempdir()} may not be written or "
        "has unusual characters in its name; set TMPDIR to another"
    )


def _remove(links: Path, process: int) -> None:
    if os.getpid() == process:  # and not a fork of it
        shutil.rmtree(links, ignore_errors=True)  # of what is linked, nothing
