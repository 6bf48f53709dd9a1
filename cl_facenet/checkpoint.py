"""Checkpoints of the train state and the data position; nothing else knows Orbax."""

import contextlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from cl_facenet.errors import InputError
from cl_facenet.sharding import MODEL, class_spec
from cl_facenet.state import TrainState

# How many columns of the saved classifier are nobody's: in the data of a checkpoint.
_SPARE = "spare_columns"


class Checkpoints:
    """The checkpoints of one run, newest two kept; saving goes on in the background.

    Of states with so many `spare_columns` in their classifier.
    """

    def __init__(self, directory: Path, spare_columns: int = 0) -> None:
        self._directory, self._spare_columns = directory, spare_columns
        self._manager = ocp.CheckpointManager(
            directory.absolute(),
            options=ocp.CheckpointManagerOptions(max_to_keep=2),
            item_handlers=_handlers(),
        )

    def close(self) -> None:
        """Waits for a save under way.

        Raises:
          InputError: it could not be written.
        """
        with _writing(self._directory):
            self._manager.wait_until_finished()
        self._manager.close()

    def save(self, step: int, state: TrainState, data: dict[str, Any]) -> None:
        """Saves all of `state`, and what `data` is and where its iterator stands.

        Raises:
          InputError: the one before could not be written; those before it are intact.
        """
        # A copy: the next train step is given `state` and may write over its buffers
        # while they are still on their way to the disk.
        items = ocp.args.Composite(
            state=ocp.args.PyTreeSave(jax.tree.map(jnp.copy, state)),
            data=ocp.args.JsonSave(data | {_SPARE: self._spare_columns}),
        )
        with _writing(self._directory):
            self._manager.save(step, args=items)

    def restore(self, like: TrainState) -> tuple[TrainState, dict[str, Any]] | None:
        """The newest state that can be read, like `like`, and the data with it.

        It may have been saved on other devices, and with other spare columns than
        `like` has. None where nothing has been saved. Newer ones, that cannot be read,
        are removed: their steps will be done, and saved, again.

        Raises:
          InputError: something has, and none of it can be read.
        """
        if not self._manager.all_steps():
            return None

        def read(step: int) -> Any:
            spare = self._spare_columns
            _check_shapes(self._directory, self._manager, step, like, spare)
            args = ocp.args.Composite(state=_reading(like), data=ocp.args.JsonRestore())
            return self._manager.restore(step, args=args)

        items, whole = _newest_whole(self._manager, read)
        for step in self._manager.all_steps():
            if step > whole:
                self._manager.delete(step)
        state = items["state"]
        if jax.device_count() == 1:  # bound to no device, as a new state is
            state = jax.device_put(jax.device_get(state))
        return state, items["data"]


def is_saved(directory: Path) -> bool:
    """Whether a directory, which need not be there, has a checkpoint saved whole."""
    with contextlib.suppress(InputError), _saved(directory):
        return True
    return False


def read_data(directory: Path) -> dict[str, Any]:
    """The `data` saved with the newest state in a directory of checkpoints.

    Raises:
      InputError: no checkpoint there.
    """
    args = ocp.args.Composite(data=ocp.args.JsonRestore())
    with _saved(directory) as manager:
        items, _ = _newest_whole(manager, lambda step: manager.restore(step, args=args))
    return items["data"]


def restore_parts(
    directory: Path,
    like: dict[str, Any],
    *,
    spare_columns: int = 0,
    num_centers: int | None = None,
) -> tuple[dict[str, Any], int]:
    """Some parts of the newest train state, such as params without their head.

    Args:
      directory: of the checkpoints.
      like: abstract arrays in the shape of the part of the state that is wanted. Each
        is restored to where it says; to the default device, where it does not.
      spare_columns: how many of them `like` has in its classifier.
      num_centers: read the first so many alone; None: all.

    Returns:
      The arrays, and the step they are of.

    Raises:
      InputError: no checkpoint there, or it holds another model.
    """
    wanted = jax.tree.map(_somewhere, like)
    if num_centers is not None:
        wanted["center_state"] = {
            name: _somewhere(jax.ShapeDtypeStruct((num_centers, x.shape[1]), x.dtype))
            for name, x in like["center_state"].items()
        }
    with _saved(directory) as manager:

        def read(step: int) -> dict[str, Any]:
            _check_shapes(directory, manager, step, like, spare_columns)
            args = ocp.args.Composite(state=_reading(wanted, partial_restore=True))
            return manager.restore(step, args=args)

        items, step = _newest_whole(manager, read)
    return items["state"], step


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
def _saved(directory: Path) -> Iterator[ocp.CheckpointManager]:
    """A manager that reads a directory in which there is a checkpoint."""
    # Orbax would make a directory that is not there.
    if directory.is_dir():
        # Each process reads what it wants, when it wants it.
        process = jax.process_index()
        alone = ocp.options.MultiprocessingOptions(
            process, {process}, barrier_sync_key_prefix=f"reader{process}"
        )
        options = ocp.CheckpointManagerOptions(
            create=False, multiprocessing_options=alone
        )
        with ocp.CheckpointManager(
            directory.absolute(), item_handlers=_handlers(), options=options
        ) as manager:
            if manager.all_steps():
                yield manager
                return
    raise InputError(f"{directory} holds no checkpoint: train first")


@contextlib.contextmanager
def _writing(directory: Path) -> Iterator[None]:
    """What a disk may answer, as one line."""
    try:
        yield
    # OSErrors, and those that Orbax's writer of arrays makes of them, with the file and
    # the system's words somewhere among many.
    except (OSError, ValueError) as error:
        says = re.findall(r": ([^:\[]+) \[os_error_code|\] ([^:\[]+): ", str(error))
        reason = next((a or b for a, b in says), type(error).__name__)
        raise InputError(
            f"{directory}: the last checkpoint could not be written ({reason}); those "
            "before it are intact: make room, and the same command goes on"
        ) from error


def _newest_whole(
    manager: ocp.CheckpointManager, read: Callable[[int], Any]
) -> tuple[Any, int]:
    """What can be read of the newest step of which it can, and that step.

    Damaged ones, by a crash or a failing disk, are passed over with a warning.
    """
    errors = []
    for step in sorted(manager.all_steps(), reverse=True):
        try:
            return read(step), step
        except InputError:
            raise
        # Whatever the file system and the decoders of arrays and JSON may raise.
        except Exception as error:
            path = Path(str(manager.directory)) / str(step)
            says = (str(error).splitlines() or [type(error).__name__])[0]
            errors.append(f"{path} is damaged: {says[:200]}")
            print(f"{errors[-1]}; passed over", file=sys.stderr)
    raise InputError(f"no checkpoint that can be read: {'; '.join(errors)}")


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
    """Raises InputError where an array that is wanted is not there as wanted."""
    data = manager.restore(step, args=ocp.args.Composite(data=ocp.args.JsonRestore()))
    there = _shapes(manager.item_metadata(step)["state"], data["data"].get(_SPARE, 0))
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
