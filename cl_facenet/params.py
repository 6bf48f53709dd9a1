"""Surgery on parameter trees: plain dicts in, plain dicts out."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from cl_facenet.errors import InputError

HEAD = "logits"


def drop_head(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters without the classifier: what an embedding needs.

    Raises:
      KeyError: these are not parameters with an `embedding`.
    """
    if "embedding" not in params:
        raise KeyError(f"no 'embedding' among the parameters {sorted(params)}")
    return {name: subtree for name, subtree in params.items() if name != HEAD}


def leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """The arrays of a nested dict with their paths: trunk/stem_7x7/conv/kernel."""
    for name, subtree in tree.items():
        if isinstance(subtree, Mapping):
            yield from leaves(subtree, f"{path}{name}/")
        else:
            yield f"{path}{name}", subtree


def nested(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The nested dict whose `leaves` are these arrays."""
    tree: dict[str, Any] = {}
    for path, array in arrays.items():
        *parents, name = path.split("/")
        subtree = tree
        for parent in parents:
            subtree = subtree.setdefault(parent, {})
        subtree[name] = array
    return tree


def count(tree: Mapping[str, Any]) -> int:
    """How many numbers a tree of arrays holds."""
    return sum(array.size for _, array in leaves(tree))


class Merged(NamedTuple):
    """A tree, and by their paths which of its arrays are from where."""

    tree: dict[str, Any]
    given: tuple[str, ...]
    fresh: tuple[str, ...]


def merge(
    given: Mapping[str, Any],
    like: Mapping[str, Any],
    *,
    source: str,
    fresh: Collection[str] = (),
) -> Merged:
    """The arrays of `given` in the tree of `like`: the one way in for weights.

    Each array of `like` has to be given in its own shape, and no other. It is only
    below the paths in `fresh` that `like` keeps its own, whatever is given there.

    Args:
      like: arrays, or abstract ones; what is given takes on their types.
      source: what `given` was read from, for the error.
      fresh: such as "params/logits".

    Raises:
      InputError: arrays are missing, unknown, of another shape or not finite; it
        names them.
    """
    here = {name: x for name, x in leaves(like) if not _below(name, fresh)}
    there = {name: x for name, x in leaves(given) if not _below(name, fresh)}
    fits = [n for n in here if n in there and np.shape(there[n]) == here[n].shape]
    with np.errstate(over="ignore"):  # what becomes infinite is refused below
        taken = {name: there[name].astype(here[name].dtype) for name in fits}
    wrong = {
        "missing": [name for name in here if name not in there],
        "unknown": [name for name in there if name not in here],
        "misshapen": [
            f"{name} ({list(np.shape(there[name]))} there, {list(x.shape)} here)"
            for name, x in here.items()
            if name in there and name not in taken
        ],
        "not finite": [n for n, x in taken.items() if not np.isfinite(x).all()],
    }
    if any(wrong.values()):
        named = [f"{what}: {_some(names)}" for what, names in wrong.items() if names]
        raise InputError(f"{source} is not all of this model; {'; '.join(named)}")
    own = {name: x for name, x in leaves(like) if name not in taken}
    return Merged(_fill(like, own | taken), tuple(taken), tuple(own))


def _below(path: str, roots: Collection[str]) -> bool:
    return any(path == root or path.startswith(f"{root}/") for root in roots)


def _some(names: list[str], most: int = 8) -> str:
    """Names for one line: there may be hundreds where one would tell."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _fill(tree: Mapping[str, Any], arrays: Mapping[str, Any], path: str = "") -> Any:
    """The dicts of `tree`, with these arrays at their paths."""
    return {
        name: _fill(subtree, arrays, f"{path}{name}/")
        if isinstance(subtree, Mapping)
        else arrays[path + name]
        for name, subtree in tree.items()
    }
