"""Weights from a path, whoever wrote them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cl_facenet.errors import InputError
from cl_facenet.interop.openface_csv import read_openface_csv
from cl_facenet.interop.tensors import is_own, read_tensors, to_variables
from cl_facenet.interop.torch_state import is_torch_state, read_torch_state


def read_weights(path: Path, like: Mapping[str, Any]) -> dict[str, Any]:
    """The variables in a folder of CSV files or in a safetensors file.

    Args:
      like: {"params": {"trunk", "embedding"}, "batch_stats"}, abstract or not.

    Returns:
      A tree for `merge`, which checks it. Of a file of our own it is all that is in
      it, perhaps a head too.

    Raises:
      InputError: nothing there, or in another format, or not the weights of `like`.
    """
    if path.is_dir():
        return read_openface_csv(path, like)
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder of weights")
    if path.suffix != ".safetensors":
        raise InputError(
            f"{path} is no .safetensors file: save its state dict as safetensors "
            "(pickles, as .pth and .pt files are, and .t7 files are never read)"
        )
    tensors = read_tensors(path)
    if is_own(tensors):
        return to_variables(tensors)
    if is_torch_state(tensors):
        return read_torch_state(tensors, like, str(path))
    names = ", ".join(sorted(tensors)[:3]) or "no arrays"
    raise InputError(
        f"{path} has names that are neither ours nor OpenFacePytorch's ({names}): "
        "rename them as in cl_facenet/interop/torch_state.py"
    )
