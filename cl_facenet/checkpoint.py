"""Checkpoints of the train state and the data position; nothing else knows Orbax."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._manager.close()  # waits for a save under way

    @property
    def latest_step(self) -> int | None:
        """The newest step saved whole; None where there is none."""
        return self._manager.latest_step()

    def save(self, step: int, state: TrainState, data_position: dict[str, Any]) -> None:
        """Saves all of `state` and where the data iterator stands."""
        # A copy: the next train step is given `state` and may write over its buffers
        # while they are still on their way to the disk.
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(jax.tree.map(jnp.copy, state)),
            data=ocp.args.JsonSave(data_position),
        )
        self._manager.save(step, args=items)

    def restore(self, like: TrainState) -> tuple[TrainState, dict[str, Any]]:
        """The newest state, shaped and placed like `like`, and the data position."""
        items = ocp.args.Composite(
            state=ocp.args.StandardRestore(_placed(like)),
            data=ocp.args.JsonRestore(),
        )
        restored = self._manager.restore(self.latest_step, args=items)
        return restored["state"], restored["data"]


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
    if not directory.is_dir():
        raise InputError(f"{directory} holds no checkpoint: train first")
    handlers = {
        "state": ocp.PyTreeCheckpointHandler(),
        "data": ocp.JsonCheckpointHandler(),
    }
    with ocp.CheckpointManager(directory.absolute(), item_handlers=handlers) as manager:
        step = manager.latest_step()
        if step is None:
            raise InputError(f"{directory} holds no checkpoint: train first")
        _check_shapes(directory, manager.item_metadata(step)["state"], like)
        like = _placed(like)
        restore = ocp.args.PyTreeRestore(
            like,
            restore_args=ocp.checkpoint_utils.construct_restore_args(like),
            partial_restore=True,
        )
        items = manager.restore(step, args=ocp.args.Composite(state=restore))
    return items["state"], step


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
