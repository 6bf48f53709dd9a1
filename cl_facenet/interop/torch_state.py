"""OpenFace's nn4.small2 as a PyTorch state dict, with the names of OpenFacePytorch.

Naming is that of thnkim/OpenFacePytorch (`loadOpenFace.py`): layer1 to layer10 are the
stem, layer14 to layer21 the blocks, whose `seq_list` has the branches in order, and
layer25 is dense. There is no such naming for nn4.small2's siblings. The state dict is
in a safetensors file; its author's own, a pickle, has to be saved as one first.

These are OpenFace's released weights: only model.graph=openface_released computes what
they were trained for.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from cl_facenet.errors import InputError
from cl_facenet.interop.torch_layout import convert

_STEM = {"stem_7x7": 1, "stem_1x1": 6, "stem_3x3": 9}  # convolution; its bn is next
_BLOCKS = {
    f"inception_{name}": layer
    for name, layer in zip(
        ("3a", "3b", "3c", "4a", "4e", "5a", "5b"),
        (14, 15, 16, 17, 18, 19, 21),
        strict=True,
    )
}
_BRANCHES = ("branch_3x3", "branch_5x5", "branch_pool", "branch_1x1")
_PART = {"reduce": 1, "expand": 4, "project": 2}  # convolution; its bn is next
_ARRAY = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}
_COUNTER = ".num_batches_tracked"  # of newer versions of PyTorch; nothing needs it


def is_torch_state(names: Iterable[str]) -> bool:
    """Whether arrays are named as in a state dict, layer1.weight."""
    return any(name.startswith("layer") and "." in name for name in names)


def read_torch_state(
    tensors: Mapping[str, np.ndarray], like: Mapping[str, Any], source: str
) -> dict[str, Any]:
    """The variables in a state dict.

    Args:
      like: {"params": {"trunk", "embedding"}, "batch_stats"}, abstract or not.
      source: the file, for errors.

    Raises:
      InputError: arrays are missing, unknown, misshapen or not finite; or a network
        without such names.
    """
    given = {name: x for name, x in tensors.items() if not name.endswith(_COUNTER)}
    name_of = partial(tensor_of, trunk=like["params"]["trunk"])
    return convert(given, like, name_of, source)


def tensor_of(path: str, trunk: Mapping[str, Any]) -> str:
    """A path of ours in a state dict: layer14.seq_list.0.1_conv.weight, say, for
    trunk/inception_3a/branch_3x3/reduce/conv/kernel.

    Args:
      trunk: its parameters; they tell which branches a block has.

    Raises:
      InputError: this is no array of nn4.small2.
    """
    match path.split("/"):
        case ["embedding", array]:
            layer = "layer25"
        case ["trunk", stem, unit, array] if stem in _STEM:
            layer = f"layer{_STEM[stem] + (unit == 'bn')}"
        case ["trunk", block, branch, *part, unit, array] if block in _BLOCKS:
            place = _place(branch, trunk[block])
            number = (_PART[part[0]] if part else 1) + (unit == "bn")
            layer = f"layer{_BLOCKS[block]}.seq_list.{place}.{number}_{unit}"
        case _:
            raise InputError(
                f"OpenFacePytorch's names have no {path}: use model.name=nn4.small2"
            )
    return f"{layer}.{_ARRAY[array]}"


def _place(branch: str, block: Mapping[str, Any]) -> int:
    """Which of a block's branches this is; that of pooling need not have parameters."""
    return [b for b in _BRANCHES if b in block or b == "branch_pool"].index(branch)
