"""One train step on many devices: who holds what, and where they talk.

Devices are a mesh of two axes. Photos are split over both, for the network. Behind it
they are split over `data` alone, and over `model` are the columns of the classifier,
what the optimizer keeps of them, and the centers: of millions of people no device
could hold all. Everything else is on every device.

The step is written once and asks its layout where a number is of more rows than one
program sees. `GlobalView`: there is one program for the whole batch, which XLA splits.
`PerDevice`: each device has a program for its own rows, and they talk along `data`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from cl_facenet.compiling import jit
from cl_facenet.errors import UsageError
from cl_facenet.params import HEAD

DATA, MODEL = "data", "model"
MODES = ("jit", "pmap")


@dataclass(frozen=True)
class GlobalView:
    """One program for the whole batch; what XLA makes of it is its affair.

    Attributes:
      mesh: the devices, [data, model]; None: there is one.
      rows_axis: the mapped axis that batch statistics are to be taken along, if any.
    """

    mesh: Mesh | None = None
    rows_axis: str | None = None

    def compile(self, step: Callable[[Any, Any], Any]) -> Any:
        """The jitted step (state, batch) -> (state, metrics); it donates its state."""
        return jit(step, donate_argnums=0)

    def whole(self, rows: Any) -> Any:
        """Of arrays that each program has its rows of, [b, ...], all rows [B, ...]."""
        if self.mesh is None:
            return rows
        return jax.lax.with_sharding_constraint(rows, _on(self.mesh, DATA))

    def own(self, rows: jax.Array) -> jax.Array:
        """The rows that this program has, of all."""
        if self.mesh is None:
            return rows
        return jax.lax.with_sharding_constraint(rows, _on(self.mesh, (DATA, MODEL)))

    def total(self, tree: Any) -> Any:
        """The sum of what each program has."""
        return tree

    def mean(self, tree: Any, weight: jax.Array) -> Any:
        """The mean of what each program has, weighted by its own `weight`."""
        del weight
        return tree

    def key(self, key: jax.Array) -> jax.Array:
        """A PRNG key of this program's own."""
        return key

    def keep(self, state: Any) -> Any:
        """The state, where it is to stay."""
        if self.mesh is None:
            return state
        return jax.lax.with_sharding_constraint(state, state_shardings(self, state))


@dataclass(frozen=True)
class PerDevice:
    """A program a device, as of `jax.pmap`: what they have in common they say so.

    The head and the centers see the whole batch on every device.
    """

    mesh: Mesh
    rows_axis: str | None

    def compile(self, step: Callable[[Any, Any], Any]) -> Any:
        """As in GlobalView."""
        everywhere, split = PartitionSpec(), PartitionSpec(DATA)
        mapped = jax.shard_map(
            step,
            mesh=self.mesh,
            in_specs=(everywhere, split),
            out_specs=(everywhere, everywhere),
            check_vma=False,  # it would have custom gradients say where they vary
        )
        return jit(mapped, donate_argnums=0)

    def whole(self, rows: Any) -> Any:
        """As in GlobalView."""
        gather = partial(jax.lax.all_gather, axis_name=DATA, tiled=True)
        return jax.tree.map(gather, rows)

    def own(self, rows: jax.Array) -> jax.Array:
        """As in GlobalView."""
        number = len(rows) // self.mesh.shape[DATA]
        start = jax.lax.axis_index(DATA) * number
        return jax.lax.dynamic_slice_in_dim(rows, start, number)

    def total(self, tree: Any) -> Any:
        """As in GlobalView."""
        return jax.lax.psum(tree, DATA)

    def mean(self, tree: Any, weight: jax.Array) -> Any:
        """As in GlobalView."""
        share = weight / jnp.maximum(jax.lax.psum(weight, DATA), 1)
        return self.total(jax.tree.map(lambda x: x * share, tree))

    def key(self, key: jax.Array) -> jax.Array:
        """As in GlobalView."""
        return jax.random.fold_in(key, jax.lax.axis_index(DATA))

    def keep(self, state: Any) -> Any:
        """As in GlobalView."""
        return state


Layout = GlobalView | PerDevice


def make_layout(mode: str, *, model_axis: int, sync_batch_norm: bool) -> Layout:
    """The layout on all devices of all processes.

    Raises:
      UsageError: so many devices do not split into groups of `model_axis`.
    """
    devices = np.array(jax.devices())
    if len(devices) % model_axis:
        raise UsageError(
            f"parallel.model_axis is {model_axis}, but there are {len(devices)} "
            "devices: choose a divisor of that"
        )
    if len(devices) == 1 and mode == "jit":
        return GlobalView()
    mesh = Mesh(devices.reshape(-1, model_axis), (DATA, MODEL))
    if mode == "jit":
        return GlobalView(mesh)
    return PerDevice(mesh, DATA if sync_batch_norm else None)


def make_local_layout(model_axis: int) -> GlobalView:
    """The layout on this process's own devices, for what it does without the others.

    What is of people is split over as many of them as `model_axis` and their number
    have in common: over all that it was trained on, where these are the same.
    """
    devices = np.array(jax.local_devices())
    if len(devices) == 1:
        return GlobalView()
    columns = math.gcd(len(devices), model_axis)
    return GlobalView(Mesh(devices.reshape(-1, columns), (DATA, MODEL)))


def room_for(layout: Layout, batch_size: int, micro_batches: int = 1) -> int:
    """The rows of a batch on devices, some of them spare: as many in every part."""
    parts = micro_batches * (1 if layout.mesh is None else layout.mesh.size)
    return -(-batch_size // parts) * parts


def spare_columns(layout: Layout, num_classes: int) -> int:
    """How many columns a classifier must have beyond its classes."""
    return 0 if layout.mesh is None else -num_classes % layout.mesh.shape[MODEL]


def rows_sharding(layout: Layout) -> NamedSharding | None:
    """Where the rows of a batch lie; None: on the one device there is."""
    return None if layout.mesh is None else _on(layout.mesh, (DATA, MODEL))


def shard_shape(layout: Layout, rows: int, columns: int) -> tuple[int, int]:
    """What one device has of logits [rows, columns]; with PerDevice that is all."""
    if layout.mesh is None or isinstance(layout, PerDevice):
        return rows, columns
    return rows // layout.mesh.shape[DATA], -(-columns // layout.mesh.shape[MODEL])


def own_rows(layout: Layout, room: int) -> range:
    """Which rows of a batch with room for so many this process has to bring."""
    sharding = rows_sharding(layout)
    if sharding is None:
        return range(room)
    places = sharding.addressable_devices_indices_map((room,)).values()
    rows = [place[0].indices(room)[:2] for place in places if place is not None]
    return range(min(start for start, _ in rows), max(stop for _, stop in rows))


def put_batch(layout: Layout, batch: dict[str, np.ndarray], room: int) -> Any:
    """A batch on the devices, of which this process has its `own_rows`."""
    sharding = rows_sharding(layout)
    if sharding is None:
        return jax.device_put(batch)
    return {
        name: jax.make_array_from_process_local_data(
            sharding, rows, (room, *rows.shape[1:])
        )
        for name, rows in batch.items()
    }


def state_shardings(layout: Layout, state: Any) -> Any:
    """Where every array of a train state lies; None: on the one device there is."""
    mesh = layout.mesh
    if mesh is None:
        return None
    return jax.tree_util.tree_map_with_path(
        lambda path, x: NamedSharding(mesh, class_spec(path, x.ndim)), state
    )


def placed(layout: Layout, state: Any) -> Any:
    """Abstract arrays like those of a train state, each with where it lies."""
    if layout.mesh is None:
        return state
    return jax.tree.map(
        lambda x, place: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place),
        state,
        state_shardings(layout, state),
    )


def class_spec(path: tuple[Any, ...], ndim: int) -> PartitionSpec:
    """Which axis of an array of a train state is of people, and split over `model`.

    Of the centers it is the first. It is the last of the classifier's arrays, of their
    moments, and of whatever else goes by its name.
    """
    names = {getattr(key, "key", getattr(key, "name", None)) for key in path}
    if "center_state" in names:
        return PartitionSpec(MODEL)
    if HEAD in names and ndim:
        return PartitionSpec(*[None] * (ndim - 1), MODEL)
    return PartitionSpec()


def _on(mesh: Mesh, axes: str | tuple[str, ...]) -> NamedSharding:
    """Rows split over these axes."""
    return NamedSharding(mesh, PartitionSpec(axes))
