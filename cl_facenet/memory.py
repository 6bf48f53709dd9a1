"""What a training takes of a device's memory, told before it begins."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from cl_facenet.errors import InputError

GIB = 2**30


def state_bytes(state: Any) -> dict[str, int]:
    """What a (maybe abstract) train state takes of one device, by what it is."""
    return {
        "parameters": _bytes(state.params),
        "optimizer": _bytes(state.opt_state),
        "centers": _bytes(state.center_state),
        "batch statistics": _bytes(state.batch_stats),
        "averages": _bytes(state.average),
    }


def step_bytes(program: jax.stages.Compiled, rows: int, columns: int) -> dict[str, int]:
    """What a compiled step takes of one device beside its state and its batch.

    Args:
      rows, columns: of the float32 logits, what one device has of them.
    """
    analysis = program.memory_analysis()
    total = analysis.temp_size_in_bytes if analysis else 0
    logits = min(4 * rows * columns, total)
    return {"logits": logits, "maps and gradients": total - logits}


def check_room(needed: Mapping[str, int], device: jax.Device) -> str:
    """A line on what is needed of a device and what it has.

    Raises:
      InputError: it has less.
    """
    total, has = sum(needed.values()), device_bytes(device)
    parts = ", ".join(f"{name} {_readable(n)}" for name, n in needed.items() if n)
    says = f"memory a device: {_readable(total)} ({parts})"
    if has is None:
        return says
    says += f" of {_readable(has)}"
    if total > has:
        raise InputError(
            f"{says}: not enough; lower batch_size or raise micro_batches, or raise "
            "parallel.model_axis on more devices"
        )
    return says


def device_bytes(device: jax.Device) -> int | None:
    """The memory that a device has for us; None: it does not say."""
    if device.platform != "cpu":
        return (device.memory_stats() or {}).get("bytes_limit")
    host = _host_bytes()
    return None if host is None else host // jax.local_device_count()


def _host_bytes() -> int | None:
    """The memory of this machine, or what this container may have of it."""
    try:
        sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (AttributeError, ValueError, OSError):  # a system that cannot tell
        return None
    for limit in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            says = Path("/sys/fs/cgroup", limit).read_text().strip()
        except OSError:
            continue
        if says.isdigit():  # "max": none
            sizes.append(int(says))
    return min(sizes)


def _bytes(tree: Any) -> int:
    """Of the part of every array that one device has."""
    return sum(
        int(np.prod(_shard_shape(x))) * x.dtype.itemsize for x in jax.tree.leaves(tree)
    )


def _shard_shape(x: Any) -> tuple[int, ...]:
    sharding = getattr(x, "sharding", None)
    return x.shape if sharding is None else sharding.shard_shape(x.shape)


def _readable(size: int) -> str:
    for unit, name in ((GIB, "GiB"), (2**20, "MiB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{-(-size // 2**10)} KiB"
