"""From Torch's names and memory layout to ours, for every source of Torch weights.

Convolutions are (out, in, height, width) there and (height, width, in, out) here,
dense layers (out, in) there and (in, out) here, vectors the same. Running variances
are unbiased in both, so they are taken as they are.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from cl_facenet.params import leaves, merge, nested

# From a path of ours, trunk/stem_7x7/conv/kernel, to the source's name of it.
NameOf = Callable[[str], str]

_AXES = {1: (0,), 2: (1, 0), 4: (2, 3, 1, 0)}  # ours, as places in Torch's


def from_torch(array: np.ndarray) -> np.ndarray:
    """An array in Torch's layout in ours."""
    return array.transpose(_AXES[array.ndim])


def torch_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape in Torch of what has this one here."""
    return tuple(shape[axis] for axis in np.argsort(_AXES[len(shape)]))


def abstract_torch(like: Mapping[str, Any], name_of: NameOf) -> dict[str, Any]:
    """Shapes and types of `like`'s arrays by the source's names, in Torch's layout."""
    return {
        name_of(_within(path)): jax.ShapeDtypeStruct(torch_shape(x.shape), x.dtype)
        for path, x in leaves(like)
    }


def convert(
    given: Mapping[str, np.ndarray],
    like: Mapping[str, Any],
    name_of: NameOf,
    source: str,
) -> dict[str, Any]:
    """Arrays by their names in a source, in Torch's layout -> variables like `like`.

    Raises:
      InputError: they are not those of `like`; the source's own names are listed.
    """
    theirs = merge(given, abstract_torch(like, name_of), source=source).tree
    paths = [path for path, _ in leaves(like)]
    return nested({path: from_torch(theirs[name_of(_within(path))]) for path in paths})


def _within(path: str) -> str:
    """A variable's path inside its collection: params/trunk/... -> trunk/..."""
    return path.partition("/")[2]
