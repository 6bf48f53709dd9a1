"""What earlier versions have written into a run's config.json, as it is said today.

Whoever renames a key, changes what one means, or adds one whose default is not what was
done before it, says so here: runs go on, and are evaluated, for ever.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

Flat = dict[str, Any]  # values by keys such as "loss.name"


class Renamed(NamedTuple):
    """A key's name today, and today's names of its values, of those that have others.

    The key may be the old one.
    """

    key: str
    values: Mapping[Any, Any] = MappingProxyType({})


RENAMED: dict[str, Renamed] = {}

# Of keys that a config may lack: what was done before there were any.
BEFORE: Flat = {}


def _center_weight_is_lambda(values: Flat) -> Flat:
    """center.weight was what the rule's source calls its weight, and is lambda."""
    lambdas = {"sandberg": 2 / values["model.embedding_size"], "pytorch": 2.0}
    factor = lambdas.get(values["center.rule"], 1.0)
    return values | {"center.weight": factor * values["center.weight"]}


# A function for each time that keys came to mean something else, oldest first: from
# values as they were meant before to values as they are meant since; keys are today's.
CHANGES: tuple[Callable[[Flat], Flat], ...] = (_center_weight_is_lambda,)


def version() -> int:
    """Of the meaning of configs; those from before there were versions are of 1."""
    return 1 + len(CHANGES)


def in_todays_words(config: Mapping[str, Any], written_in: int) -> dict[str, Any]:
    """A nested config that version `written_in` has written; what it lacks stays out.

    Raises:
      ValueError: that version is a later one.
    """
    if not isinstance(written_in, int) or not 1 <= written_in <= version():
        raise ValueError(f"version {written_in!r}")
    values = dict(_renamed(key, value) for key, value in flat(config))
    for change in CHANGES[written_in - 1 :]:
        values = change(values)
    return nested(BEFORE | values)


def name_today(name: str) -> str | None:
    """The name that a key has today, if its old one is `name` or ends with it."""
    found = [
        new.key
        for old, new in RENAMED.items()
        if new.key != old and f".{old}".endswith(f".{name}")
    ]
    return found[0] if found else None


def flat(config: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Keys such as "loss.name" and their values."""
    for key, value in config.items():
        if hasattr(value, "items"):  # a ConfigDict is no Mapping
            yield from flat(value, f"{path}{key}.")
        else:
            yield path + key, value


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """The nested config that `flat` gives these values of."""
    config: dict[str, Any] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        section = config
        for part in sections:
            section = section.setdefault(part, {})
        section[name] = value
    return config


def _renamed(key: str, value: Any) -> tuple[str, Any]:
    today = RENAMED.get(key, Renamed(key))
    known = isinstance(value, str | int | float | bool) or value is None
    return today.key, today.values.get(value, value) if known else value
