"""Surgery on parameter trees: plain dicts in, plain dicts out."""

from collections.abc import Iterator, Mapping
from typing import Any

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


def count(tree: Mapping[str, Any]) -> int:
    """How many numbers a tree of arrays holds."""
    return sum(array.size for _, array in leaves(tree))
