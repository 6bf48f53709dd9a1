"""Files that are there whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Writes beside `path`, and then takes its place: a reader never sees half a file.

    Raises:
      OSError: it cannot be written; nothing of it is left.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        with suppress(OSError):  # it mostly has its name by now
            partial.unlink()
