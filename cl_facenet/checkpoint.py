"""Checkpoints of the train state and the data position; nothing else knows Orbax."""

import contextlib
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from cl_facenet.checkpoint_sums import DamageError, check_sums, is_damage, write_sums
from cl_facenet.errors import InputError
from cl_facenet.plain_paths import plain_path
from cl_facenet.processes import greatest, is_first, of_first, say, wait_for_all
from cl_facenet.sharding import MODEL, class_spec
from cl_facenet.state import TrainState

# How many columns of the saved classifier are nobody's: in the data of a checkpoint.
_SPARE = "spare_columns"
_ITEMS = ("state", "data")


class Checkpoints:
    """The checkpoints of one run, newest two kept; saving goes on in the background.

    Of states with so many `spare_columns` in their classifier. The first one saved is
    opened at once.
    """

    def __init__(self, directory: Path, spare_columns: int = 0) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory, self._spare_columns = directory, spare_columns
        self._opened = False  # one that was saved
        self._saving = 0  # the step that is
        self._manager = ocp.CheckpointManager(
            plain_path(directory),
            options=ocp.CheckpointManagerOptions(
                max_to_keep=2,
                async_options=ocp.AsyncOptions(
                    post_finalization_callback=self._write_sums
                ),
            ),
            item_handlers=_handlers(),
        )

    def close(self) -> None:
        """Waits for a save under way.

        Raises:
          InputError: it could not be written.
        """
        self._wait()
        self._manager.close()

    def save(self, step: int, state: TrainState, data: dict[str, Any]) -> None:
        """Saves all of `state`, and what `data` is and where its iterator stands.

        Raises:
          InputError: the one before could not be written; those before it are intact.
            Or the first one cannot be read.
        """
        # A copy: the next train step is given `state` and may write over its buffers
        # while they are still on their way to the disk.
        items = ocp.args.Composite(
            state=ocp.args.PyTreeSave(jax.tree.map(jnp.copy, state)),
            data=ocp.args.JsonSave(data | {_SPARE: self._spare_columns}),
        )
        self._wait()  # `_write_sums` is still to know of which step it is
        self._saving = step
        if is_first() and os.path.lexists(self._directory / str(step)):
            _move_aside(self._directory, [step])  # Orbax would delete it
        with _writing(self._directory):
            self._manager.save(step, args=items)
        if not self._opened:
            self._wait()
            if is_first():
                self._open(step, state)
            self._opened = True

    def restore(self, like: TrainState) -> tuple[TrainState, dict[str, Any]] | None:
        """The newest state that is whole, like `like`, and the data with it.

        It may have been saved on other devices, and with other spare columns than
        `like` has. None where nothing has been saved. Newer ones, that are damaged, are
        moved aside: their steps will be done, and saved, again. All processes get the
        same.

        Raises:
          InputError: something has, and none of it is whole, or it cannot be read now.
        """
        if of_first(_newest(self._directory)) < 0:
            return None

        def read(manager: ocp.CheckpointManager, step: int) -> Any:
            spare = self._spare_columns
            _check_shapes(self._directory, manager, step, like, spare)
            args = ocp.args.Composite(state=_reading(like), data=ocp.args.JsonRestore())
            return manager.restore(step, args=args)

        items, _, damaged = _newest_whole(
            self._directory, read, items=_ITEMS, together=True
        )
        self._opened = True
        if damaged:
            if is_first():
                _move_aside(self._directory, damaged)
            wait_for_all("moved aside")
            self._manager.reload()
        state = items["state"]
        if jax.device_count() == 1:  # bound to no device, as a new state is
            state = jax.device_put(jax.device_get(state))
        return state, items["data"]

    def _wait(self) -> None:
        with _writing(self._directory):
            self._manager.wait_until_finished()

    def _open(self, step: int, like: TrainState) -> None:
        """Raises InputError where a step that was just saved cannot be read."""
        try:
            with _reader(self._directory) as manager:
                spare = self._spare_columns
                _check_shapes(self._directory, manager, step, like, spare)
        except Exception as error:  # whatever is not foreseen
            raise InputError(
                f"{self._directory / str(step)}, just saved, cannot be read "
                f"({_reason(error)}): training stopped; choose another --workdir"
            ) from error

    def _write_sums(self) -> None:
        """Beside what is saved, before it gets its name: Orbax calls it then."""
        name = re.compile(rf"{self._saving}(\.orbax-checkpoint-tmp.*)?")
        for path in plain_path(self._directory).iterdir():
            if name.fullmatch(path.name):
                write_sums(path, _ITEMS)


def is_saved(directory: Path) -> bool:
    """Whether a directory, which need not be there, has a checkpoint saved whole."""
    return _newest(directory) >= 0


def read_data(directory: Path, *, together: bool = False) -> dict[str, Any]:
    """The `data` saved with the newest state in a directory of checkpoints.

    Args:
      together: all processes call it, and are to have the same.

    Raises:
      InputError: no checkpoint there, or it cannot be read.
    """

    def read(manager: ocp.CheckpointManager, step: int) -> Any:
        args = ocp.args.Composite(data=ocp.args.JsonRestore())
        return manager.restore(step, args=args)["data"]

    return _newest_whole(directory, read, items=("data",), together=together)[0]


def restore_parts(
    directory: Path,
    like: dict[str, Any],
    *,
    spare_columns: int = 0,
    num_centers: int | None = None,
    together: bool = False,
) -> tuple[dict[str, Any], int]:
    """Some parts of the newest train state, such as params without their head.

    Args:
      directory: of the checkpoints.
      like: abstract arrays in the shape of the part of the state that is wanted. Each
        is restored to where it says; to the default device, where it does not.
      spare_columns: how many of them `like` has in its classifier.
      num_centers: read the first so many alone; None: all.
      together: as of `read_data`.

    Returns:
      The arrays, and the step they are of.

    Raises:
      InputError: no checkpoint there, or it holds another model, or cannot be read.
    """
    wanted = jax.tree.map(_somewhere, like)
    if num_centers is not None:
        wanted["center_state"] = {
            name: _somewhere(jax.ShapeDtypeStruct((num_centers, x.shape[1]), x.dtype))
            for name, x in like["center_state"].items()
        }

    def read(manager: ocp.CheckpointManager, step: int) -> dict[str, Any]:
        _check_shapes(directory, manager, step, like, spare_columns)
        args = ocp.args.Composite(state=_reading(wanted, partial_restore=True))
        return manager.restore(step, args=args)["state"]

    state, step, _ = _newest_whole(directory, read, items=_ITEMS, together=together)
    return state, step


def _somewhere(x: Any) -> jax.ShapeDtypeStruct:
    """An abstract array with a place: its own, or the default device."""
    place = x.sharding if isinstance(x, jax.ShapeDtypeStruct) else None
    here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place or here)


def restore_variables(
    directory: Path, like: dict[str, Any], config: Mapping[str, Any], **options: Any
) -> tuple[dict[str, Any], int]:
    """The variables that a run of this config evaluates and embeds with, and the step.

    They are averages over the steps where it keeps any. All else is as of
    `restore_parts`.

    Args:
      like: `params` and `batch_stats`, or what of them is wanted; other parts of the
        train state beside them come as they are.
      options: those of `restore_parts`.
    """
    # Runs from before there were averages have no such key.
    if not config["optimizer"].get("average_decay"):
        return restore_parts(directory, like, **options)
    averaged = {n: x for n, x in like.items() if n in ("params", "batch_stats")}
    others = {n: x for n, x in like.items() if n not in averaged}
    like = {"average": averaged, **others}
    parts, step = restore_parts(directory, like, **options)
    return parts.pop("average") | parts, step


@contextlib.contextmanager
def _reader(directory: Path) -> Iterator[ocp.CheckpointManager]:
    """A manager that reads a directory, which has to be there."""
    # Each process reads what it wants, when it wants it.
    process = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        process, {process}, barrier_sync_key_prefix=f"reader{process}"
    )
    options = ocp.CheckpointManagerOptions(create=False, multiprocessing_options=alone)
    with ocp.CheckpointManager(
        plain_path(directory), item_handlers=_handlers(), options=options
    ) as manager:
        yield manager


def _newest(directory: Path, besides: Collection[int] = ()) -> int:
    """The newest step saved in a directory, which need not be there; -1: none.

    Raises:
      InputError: which ones there are cannot be read.
    """
    try:
        if not directory.is_dir():  # Orbax would make it
            return -1
        for name in os.listdir(directory):  # what it cannot look at, it passes over
            if name.isdigit():
                with contextlib.suppress(FileNotFoundError):
                    os.stat(directory / name)
        with _reader(directory) as manager:
            return max(set(manager.all_steps()).difference(besides), default=-1)
    except OSError as error:
        raise _not_now(error, directory, directory) from error


@contextlib.contextmanager
def _writing(directory: Path) -> Iterator[None]:
    """What a disk may answer, as one line."""
    try:
        yield
    # OSErrors, and those that Orbax's writer of arrays makes of them.
    except (OSError, ValueError) as error:
        raise InputError(
            f"{directory}: the last checkpoint could not be written "
            f"({_reason(error)}); those before it are intact: make room, and the same "
            "command goes on"
        ) from error


def _reason(error: BaseException) -> str:
    """What the system says, which Orbax has with the file somewhere among many words.

    Where it says nothing, the first line, or the error's kind.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, MemoryError):
        return "out of memory"
    while error.__cause__ is not None:
        error = error.__cause__
    says = re.findall(r": ([^:\[]+) \[os_error_code|\] ([^:\[]+): ", str(error))
    line = (str(error).splitlines() or [""])[0]
    return next((a or b for a, b in says), line[:200] or type(error).__name__)


class _Read(NamedTuple):
    """What came of reading a step, in this process.

    Attributes:
      value: what was read; None: it was not.
      severity: 0 if it was read; 1: it is damaged; 2: it cannot be read now.
      error: of a severity above 0.
    """

    value: Any
    severity: int = 0
    error: Exception | None = None


# What is read with a reader of a directory, of a step.
_Reading = Callable[[ocp.CheckpointManager, int], Any]


def _newest_whole(
    directory: Path, read: _Reading, *, items: Collection[str], together: bool = False
) -> tuple[Any, int, list[int]]:
    """What is read of the newest step that is whole, that step, and damaged newer ones.

    These are passed over with a warning, and stay as they are.

    Args:
      items: the parts of a checkpoint that are read.
      together: all processes call it, and are to read the same step.

    Raises:
      InputError: there is no step, or none that is whole; or the newest one cannot be
        read for a reason that may go away.
    """
    damaged: dict[int, str] = {}
    gone: list[int] = []
    while True:
        step = _newest(directory, [*damaged, *gone])
        step = of_first(step) if together else step
        if step < 0:
            break
        path = directory / str(step)
        got = _read(directory, step, read, items)
        severity = greatest(got.severity) if together else got.severity
        if severity == 0:
            return got.value, step, list(damaged)
        if severity > 1:
            raise got.error or InputError(f"{path}: another process cannot read it")
        if not together and not path.exists():
            gone.append(step)  # a training that goes on has removed it for a newer one
            continue
        says = f"{path} is damaged: {got.error or 'another process says so'}"
        damaged[step] = says
        say(f"{says}; passed over")
    if damaged:
        reasons = "; ".join(damaged.values())
        raise InputError(f"no checkpoint that can be read: {reasons}")
    raise InputError(f"{directory} holds no checkpoint: train first")


def _read(directory: Path, step: int, read: _Reading, items: Collection[str]) -> _Read:
    path, has_sums = plain_path(directory) / str(step), False
    try:
        # Of several processes one is enough to read all that there is.
        has_sums = check_sums(path, items) if is_first() else True
        with _reader(directory) as manager:
            return _Read(read(manager, step))
    except DamageError as error:
        return _Read(None, 1, error)
    except InputError as error:
        return _Read(None, 2, error)
    # Whatever the file system and the decoders of arrays and JSON may raise.
    except Exception as error:
        return _failed(error, directory, step, has_sums)


def _failed(
    error: Exception, directory: Path, step: int, files_are_right: bool
) -> _Read:
    """What to think of an error in reading a step."""
    path = plain_path(directory) / str(step)
    try:
        if not path.exists() or (not files_are_right and is_damage(error, path)):
            return _Read(None, 1, DamageError(_reason(error)))
    except OSError as other:
        error = other
    return _Read(None, 2, _not_now(error, path, directory))


def _not_now(error: Exception, path: Path, directory: Path) -> InputError:
    """That a path in a directory of checkpoints, or a file that is named, is not read.

    It may be another time.
    """
    file = str(getattr(error, "filename", None) or path)
    return InputError(
        f"{file.replace(str(plain_path(directory)), str(directory))} cannot be read "
        f"now ({_reason(error)}); it is not passed over, and nothing is removed: mend "
        "that, and the same command goes on"
    )


def _move_aside(directory: Path, damaged: Collection[int]) -> None:
    """Gives damaged steps, which will be saved again, names of no steps."""
    for step in damaged:
        names = (f"{step}.damaged{n}" for n in ("", *(f"-{i}" for i in range(2, 1000))))
        name = next(name for name in names if not os.path.lexists(directory / name))
        os.rename(directory / str(step), directory / name)
        say(f"{directory / str(step)} is kept as {name}")


def _handlers() -> dict[str, Any]:
    """What reads and writes the two parts of a checkpoint."""
    return {
        "state": ocp.PyTreeCheckpointHandler(),
        "data": ocp.JsonCheckpointHandler(),
    }


def _check_shapes(
    directory: Path,
    manager: ocp.CheckpointManager,
    step: int,
    like: Any,
    spare_columns: int,
) -> None:
    """Compares the arrays that are wanted with those that are there.

    Raises:
      InputError: one is not as it is wanted.
      DamageError: it is not known which are there.
    """
    data = manager.restore(step, args=ocp.args.Composite(data=ocp.args.JsonRestore()))
    metadata = manager.item_metadata(step)["state"]
    if metadata is None:
        raise DamageError("it has no list of its arrays")
    there = _shapes(metadata, data["data"].get(_SPARE, 0))
    for path, shape in _shapes(like, spare_columns).items():
        if there.get(path) != shape:
            raise InputError(
                f"{directory} is of another model than its config.json says: {path} is "
                f"{list(there.get(path, ())) or 'missing'} there, {list(shape)} here"
            )


def _shapes(tree: Any, spare_columns: int) -> dict[str, tuple[int, ...]]:
    """By their paths, what shapes the arrays have without what is nobody's."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): tuple(
            size - spare_columns * (axis == MODEL)
            for size, axis in zip_longest(
                array.shape, class_spec(path, len(array.shape))
            )
        )
        for path, array in jax.tree_util.tree_leaves_with_path(tree, is_leaf=_has_shape)
        if _has_shape(array)
    }


def _has_shape(leaf: Any) -> bool:
    return hasattr(leaf, "shape")


def _reading(like: Any, **options: Any) -> ocp.args.PyTreeRestore:
    """How to read arrays like these, to where these are.

    Theirs are the shapes: of people there may be spare rows and columns behind, zeros,
    which are left out or added.
    """
    return ocp.args.PyTreeRestore(
        like,
        restore_args=jax.tree.map(
            lambda x: ocp.ArrayRestoreArgs(
                sharding=x.sharding, global_shape=x.shape, dtype=x.dtype, strict=False
            ),
            like,
        ),
        **options,
    )
