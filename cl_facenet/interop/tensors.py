"""Our own variables in a safetensors file: no pickle, and others read it too.

Parameters have their own paths as names, trunk/stem_7x7/conv/kernel; batch statistics
have batch_stats/ in front of theirs.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from cl_facenet.errors import InputError
from cl_facenet.params import leaves, nested
from cl_facenet.whole_files import write_whole

_STATS = "batch_stats/"

# By their names in the format; its own reader for numpy has no bfloat16.
_TYPES = {
    **{"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": jnp.bfloat16},
    **{"I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8},
    **{"U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8},
    **{"BOOL": np.bool_, "C64": np.complex64},
}


def write_variables(
    path: Path, variables: Mapping[str, Any], *, dtype: str = "float32"
) -> None:
    """Writes {"params", "batch_stats"} whole or not at all.

    Args:
      dtype: of the parameters, float32 or bfloat16. Statistics stay as they are: they
        are few, and a variance is divided by.
    """
    params, stats = leaves(variables["params"]), leaves(variables["batch_stats"])
    arrays = {
        name: np.asarray(array).astype(jnp.dtype(dtype)) for name, array in params
    }
    arrays |= {_STATS + name: array for name, array in stats}
    content = save({name: np.ascontiguousarray(x) for name, x in arrays.items()})
    write_whole(path, content)


def is_own(names: Iterable[str]) -> bool:
    """Whether arrays are named as `write_variables` does."""
    return any(name.startswith("trunk/") for name in names)


def to_variables(tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Arrays by the names of `write_variables` -> {"params", "batch_stats"}."""
    params = {name: x for name, x in tensors.items() if not name.startswith(_STATS)}
    stats = {n.removeprefix(_STATS): x for n, x in tensors.items() if n not in params}
    return {"params": nested(params), "batch_stats": nested(stats)}


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file by their names.

    Raises:
      InputError: it is not one, is cut short, or has other arrays than of real
        numbers, or one whose name is a folder of others.
    """
    try:
        tensors = {
            name: np.frombuffer(view["data"], _TYPES[view["dtype"]]).reshape(
                view["shape"]
            )
            for name, view in deserialize(path.read_bytes())
        }
    except (SafetensorError, KeyError) as error:  # or a type that is none of these
        raise InputError(
            f"{path} is damaged, or not of the safetensors format ({error}): save it "
            "again as safetensors, in float32"
        ) from error
    folders = {name[:i] for name in tensors for i, c in enumerate(name) if c == "/"}
    for name, array in tensors.items():
        if name in folders or np.iscomplexobj(array):
            raise InputError(f"{path}: {name} is no array of weights; leave it out")
    return tensors
