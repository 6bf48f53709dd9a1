"""Checkpoints of the train state and the data position; nothing else knows Orbax."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from cl_facenet.errors import InputError
from cl_facenet.state import TrainState


class Checkpoints:
    """The checkpoints of one run, newest two kept; saving goes on in the background."""

    def __init__(self, directory: Path) -> None:
        self._manager = ocp.CheckpointManager(
            directory.absolute(),
            options=ocp.CheckpointManagerOptions(max_to_keep=2),
            item_names=("state", "data"),
        )

    def close(self) -> None:
        """Waits for a save under way."""
        self._manager.close()

    @property
    def latest_step(self) -> int | None:
        """The newest step saved whole; None where there is none."""
        return self._manager.latest_step()

    def save(self, step: int, state: TrainState, data: dict[str, Any]) -> None:
        """Saves all of `state`, and what `data` is and where its iterator stands."""
        # A copy: the next train step is given `state` and may write over its buffers
        # while they are still on their way to the disk.
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(jax.tree.map(jnp.copy, state)),
            data=ocp.args.JsonSave(data),
        )
        self._manager.save(step, args=items)

    def read_data(self) -> dict[str, Any]:
        """The `data` saved with the newest state."""
        items = ocp.args.Composite(data=ocp.args.JsonRestore())
        return self._manager.restore(self.latest_step, args=items)["data"]

    def restore(self, like: TrainState) -> TrainState:
        """The newest state, shaped and placed like `like`."""
        items = ocp.args.Composite(state=ocp.args.StandardRestore(_placed(like)))
        return self._manager.restore(self.latest_step, args=items)["state"]


def is_saved(directory: Path) -> bool:
    """Whether a directory, which need not be there, has a checkpoint saved whole."""
    with contextlib.suppress(InputError), _newest(directory):
        return True
    return False


def read_data(directory: Path) -> dict[str, Any]:
    """The `data` saved with the newest state in a directory of checkpoints.

    Raises:
      InputError: no checkpoint there.
    """
    with _newest(directory) as (manager, step):
        items = ocp.args.Composite(data=ocp.args.JsonRestore())
        return manager.restore(step, args=items)["data"]


def restore_parts(directory: Path, like: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Some parts of the newest train state, such as params without their head.

    Args:
      directory: of the checkpoints.
      like: abstract arrays in the shape of the part of the state that is wanted.

    Returns:
      The arrays, on the default device, and the step they are of.

    Raises:
      InputError: no checkpoint there, or it holds another model.
    """
    with _newest(directory) as (manager, step):
        _check_shapes(directory, manager.item_metadata(step)["state"], like)
        like = _placed(like)
        restore = ocp.args.PyTreeRestore(
            like,
            restore_args=ocp.checkpoint_utils.construct_restore_args(like),
            partial_restore=True,
        )
        items = manager.restore(step, args=ocp.args.Composite(state=restore))
    return items["state"], step


@contextlib.contextmanager
def _newest(directory: Path) -> Iterator[tuple[ocp.CheckpointManager, int]]:
    """A manager that reads, and the newest step."""
    handlers = {
        "state": ocp.PyTreeCheckpointHandler(),
        "data": ocp.JsonCheckpointHandler(),
    }
    # Orbax would make a directory that is not there.
    if directory.is_dir():
        with ocp.CheckpointManager(
            directory.absolute(), item_handlers=handlers
        ) as manager:
            if (step := manager.latest_step()) is not None:
                yield manager, step
                return
    raise InputError(f"{directory} holds no checkpoint: train first")


def _check_shapes(directory: Path, stored: Any, like: dict[str, Any]) -> None:
    """Raises InputError where an array that is wanted is not there as wanted."""
    there = _shapes(stored)
    for path, shape in _shapes(like).items():
        if there.get(path) != shape:
            raise InputError(
                f"{directory} is of another model than its config.json says: {path} is "
                f"{list(there.get(path, ())) or 'missing'} there, {list(shape)} here"
            )


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    arrays = jax.tree_util.tree_leaves_with_path(tree, is_leaf=_has_shape)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): tuple(array.shape)
        for path, array in arrays
        if _has_shape(array)
    }


def _has_shape(leaf: Any) -> bool:
    return hasattr(leaf, "shape")


def _placed(tree: Any) -> Any:
    """Abstract arrays like `tree`'s, on the default device wherever they were saved."""
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=here), tree
    )
