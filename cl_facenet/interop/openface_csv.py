"""OpenFace's released weights as Keras-OpenFace has them: a folder of CSV files.

A file an array, in Torch's layout, on one line or several. Naming is that of
iwantooxxoox/Keras-OpenFace (`utils.py` and its folder `weights`): conv1_w.csv,
inception_3a_3x3_conv1_w.csv, inception_3a_3x3_bn1_v.csv, dense_w.csv. It is for
nn4.small2; as a block's name is ours, small1 and nn4 have theirs by the same rule.

What OpenFace has released (nn4.small2.v1 and its siblings) was trained with pooling
that it changed afterwards: only model.graph=openface_released computes what it did.
"""

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from cl_facenet.errors import InputError
from cl_facenet.interop.torch_layout import abstract_torch, convert

_STEM = {"stem_7x7": 1, "stem_1x1": 2, "stem_3x3": 3}
_PART = {"reduce": 1, "expand": 2, "project": ""}
_ARRAY = {"kernel": "w", "scale": "w", "bias": "b", "mean": "m", "var": "v"}


def read_openface_csv(folder: Path, like: Mapping[str, Any]) -> dict[str, Any]:
    """The variables that the CSV files of a folder hold; its other files are ignored.

    Args:
      like: {"params": {"trunk", "embedding"}, "batch_stats"}, abstract or not.

    Raises:
      InputError: no CSV files, a missing or unknown one, one with something else than
        numbers, or with too few or too many; or a network without such names.
    """
    files = sorted(path for path in folder.glob("*.csv") if path.is_file())
    if not files:
        raise InputError(f"{folder} holds no CSV files: give OpenFace's weights")
    shapes = {name: x.shape for name, x in abstract_torch(like, file_of).items()}
    given = {path.name: _shaped(_read(path), shapes.get(path.name)) for path in files}
    return convert(given, like, file_of, str(folder))


def file_of(path: str) -> str:
    """trunk/inception_3a/branch_3x3/reduce/conv/kernel: inception_3a_3x3_conv1_w.csv.

    Raises:
      InputError: this is no array of an Inception network.
    """
    match path.split("/"):
        case ["embedding", array]:
            layer = "dense"
        case ["trunk", stem, unit, array] if stem in _STEM:
            layer = f"{unit}{_STEM[stem]}"
        case ["trunk", block, "branch_1x1", unit, array]:
            layer = f"{block}_1x1_{unit}"
        case ["trunk", block, branch, part, unit, array] if part in _PART:
            layer = f"{block}_{branch.removeprefix('branch_')}_{unit}{_PART[part]}"
        case _:
            raise InputError(f"OpenFace's CSV files have no {path}: choose model.name")
    return f"{layer}_{_ARRAY[array]}.csv"


def _read(path: Path) -> np.ndarray:
    """All numbers of a file, in their order."""
    try:
        return np.array(path.read_text().replace(",", " ").split(), np.float64)
    except ValueError as error:  # UnicodeDecodeError is one
        raise InputError(f"{path} has something else than numbers: {error}") from error


def _shaped(values: np.ndarray, shape: tuple[int, ...] | None) -> np.ndarray:
    """As they belong; flat where they cannot, so that both shapes will be named."""
    return values.reshape(shape) if shape and values.size == prod(shape) else values
