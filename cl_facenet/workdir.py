"""A run's directory: what is in it under which name, and whose it is.

config.json (resolved), people.json (who is trained on, on how many photos each),
metrics.jsonl, checkpoints/, results.json, report/index.html.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cl_facenet import config_history
from cl_facenet.errors import InputError
from cl_facenet.lock import lock
from cl_facenet.processes import is_first, of_first
from cl_facenet.whole_files import write_whole

_VERSION = "config_version"  # of the meaning of its keys; in config.json


def write_json(path: Path, content: Any) -> None:
    """Writes whole or not at all."""
    write_whole(path, (json.dumps(content, indent=2) + "\n").encode())


def is_run(workdir: Path) -> bool:
    """Whether a run was started there."""
    return (workdir / "config.json").is_file()


def check_writable(workdir: Path) -> None:
    """Raises InputError where no run could be, before any work is done for one."""
    nearest = next(path for path in (workdir, *workdir.parents) if path.exists())
    if not nearest.is_dir():
        raise InputError(f"{nearest} is not a directory: choose another --workdir")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"{nearest} may not be written: choose another --workdir")


@contextmanager
def only_training(workdir: Path) -> Iterator[None]:
    """Within it, no other training is in the workdir, which is made.

    All processes of a training call it: they are one.

    Raises:
      InputError: another one is; which is said.
    """
    error: InputError | None = None
    with ExitStack() as held:
        try:
            if is_first():
                workdir.mkdir(parents=True, exist_ok=True)
                path = workdir / ".training.lock"
                held.enter_context(lock(path, doing=f"training in {workdir}"))
        except InputError as refused:
            error = refused
        if of_first(error is not None):
            raise error or InputError(f"another training is in {workdir}")
        yield


def read_config(workdir: Path) -> dict[str, Any]:
    """The resolved config that a workdir's run was started with, in today's words.

    Raises:
      InputError: no run there, or its config.json is damaged or of a later version.
    """
    if not is_run(workdir):
        raise InputError(
            f"{workdir} is not the directory of a run: no config.json in it"
        )
    path = workdir / "config.json"
    config = _read_json(path)
    version = config.pop(_VERSION, 1)
    try:
        return config_history.in_todays_words(config, version)
    except ValueError as error:
        raise InputError(
            f"{path} is of a later cl_facenet ({_VERSION} {version!r}, this one reads "
            f"up to {config_history.version()}): pip install --upgrade cl-facenet"
        ) from error
    except (LookupError, TypeError) as error:
        raise InputError(
            f"{path} is not the config of a run ({type(error).__name__}: {error}): "
            "bring back a copy of it, or choose another --workdir"
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is damaged ({error}): bring back a copy of it, or choose another "
            "--workdir"
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is damaged: it holds no object")
    return content


def read_results(workdir: Path) -> dict[str, Any] | None:
    """The results of a finished run; None where it has not got there."""
    path = workdir / "results.json"
    return _read_json(path) if path.exists() else None


def read_people(workdir: Path) -> dict[str, int]:
    """Whom a run trains on, row by row of its classifier, on how many photos each."""
    read_config(workdir)  # says so if there is no run
    path = workdir / "people.json"
    if not path.is_file():
        raise InputError(f"{path} is missing: who was trained on is not known")
    return _read_json(path)


def claim(workdir: Path, config: Mapping[str, Any], people: Mapping[str, int]) -> None:
    """Makes the workdir, in which no run is, this config's run.

    Args:
      people: who is trained on, in the order of the classifier, on how many photos.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    write_json(workdir / "people.json", dict(people))
    versioned = {_VERSION: config_history.version(), **config}
    write_json(workdir / "config.json", versioned)
