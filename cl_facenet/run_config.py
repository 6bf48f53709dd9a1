"""The config of a run that was begun, complete, whatever version began it."""

import ast
from pathlib import Path

from ml_collections import ConfigDict

from cl_facenet import workdir as workdirs
from cl_facenet.config import base, resolve
from cl_facenet.config_history import flat
from cl_facenet.errors import InputError, UsageError
from cl_facenet.unread_keys import meaning, unread

# Keys that may differ when a run goes on: they change nothing that is computed.
FREE_TO_DIFFER = (
    "data.cache_dir",
    "data.num_threads",
    "model.remat",
    "parallel.mode",
    "parallel.model_axis",
    "report.published_roc",
)


def read_run_config(workdir: Path) -> ConfigDict:
    """The resolved config of the run in a workdir; keys that it lacks have defaults.

    Raises:
      InputError: no run there, or keys or values in its config.json that this version
        does not know.
    """
    config = base()
    defaults = dict(flat(config.to_dict()))
    values = {
        # JSON has no tuples, and configs no lists.
        key: tuple(value) if isinstance(value, list) else value
        for key, value in flat(workdirs.read_config(workdir))
    }
    # Earlier versions filled in what nothing read, too.
    values |= {key: defaults[key] for key in unread(defaults | values)}
    path = workdir / "config.json"
    if unknown := sorted(values.keys() - defaults.keys()):
        raise InputError(
            f"{path} has keys that this version does not know ({', '.join(unknown)}): "
            "go on with the version of cl_facenet that wrote it, or a later one"
        )
    for key, value in values.items():
        try:
            config.update_from_flattened_dict({key: value})
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}: {key} cannot be {value!r}") from error
    try:
        resolve(config)
    except UsageError as error:  # it is the file's fault, and no flag's
        raise InputError(f"{path}: {error}") from error
    return config


def override(config: ConfigDict, key: str, text: str) -> None:
    """Sets a key of a run's config that is this machine's own, as it was typed.

    Raises:
      UsageError: the key is the run's, or cannot have this value.
    """
    if key not in FREE_TO_DIFFER:
        raise UsageError(
            f"--config.{key}: the run in --workdir goes on as it was begun; leave it "
            f"out (of this machine are {', '.join(FREE_TO_DIFFER)}), or begin another "
            "run with --config=FILE"
        )
    current = dict(flat(config.to_dict()))[key]
    try:
        value = text if isinstance(current, str) else ast.literal_eval(text)
        config.update_from_flattened_dict({key: value})
    except (ValueError, SyntaxError, TypeError) as error:
        raise UsageError(f"--config.{key}={text}: give one like {current!r}") from error


def check_run_config(workdir: Path, config: ConfigDict) -> None:
    """Refuses a workdir whose run was started with a config of another meaning.

    Raises:
      InputError: no run there.
      UsageError: the config differs; the keys are named.
    """
    there, here = meaning(read_run_config(workdir).to_dict()), meaning(config.to_dict())
    differing = [
        f"{key} ({there[key]!r} there, {here[key]!r} here)"
        for key in sorted(there.keys() & here.keys())  # else a choice differs as well
        if there[key] != here[key] and key not in FREE_TO_DIFFER
    ]
    if differing:
        raise UsageError(
            f"{workdir} is of another config: {', '.join(differing)}; choose another "
            "--workdir, or go on as it was begun: with --workdir alone, no --config"
        )
