"""Which keys of a config mean nothing, because its choices do not read them.

A margin is nothing to a softmax. What is set and not read is refused, and two configs
that differ in such keys alone are of one meaning. With a `center.weight` of 0 the
centers still move, and are measured: all of `center` is read.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from cl_facenet.config_history import flat
from cl_facenet.errors import UsageError
from cl_facenet.losses import LOSSES
from cl_facenet.optimizers import OPTIMIZERS

Flat = Mapping[str, Any]  # values by keys such as "loss.name"


class Readers(NamedTuple):
    """Keys that are read where another key, the choice, has one of some values.

    None among the values: any above 0.
    """

    keys: tuple[str, ...]
    choice: str
    values: Collection[str] | None

    def read(self, chosen: Any) -> bool:
        """Whether this value of the choice reads the keys."""
        return bool(chosen) if self.values is None else chosen in self.values

    def __str__(self) -> str:
        return "1 or more" if self.values is None else ", ".join(self.values)


def _with(table: Mapping[str, Any], field: str) -> list[str]:
    """The names in a table of those that have such a thing."""
    return [name for name, x in table.items() if getattr(x, field) is not None]


# Every key that is not here is read always.
READERS = (
    Readers(("loss.margin",), "loss.name", _with(LOSSES, "margin")),
    Readers(("model.logit_scale",), "loss.name", _with(LOSSES, "scale")),
    Readers(
        ("loss.label_smoothing", "loss.class_share"), "loss.name", _with(LOSSES, "head")
    ),
    Readers(("optimizer.momentum",), "optimizer.name", _with(OPTIMIZERS, "momentum")),
    Readers(("optimizer.epsilon",), "optimizer.name", _with(OPTIMIZERS, "epsilon")),
    Readers(
        ("optimizer.decay_epochs", "optimizer.decay_factor"),
        "optimizer.schedule",
        ["step"],
    ),
    Readers(("data.path",), "data.name", ["folder"]),
    Readers(("data.lfw.protocol",), "data.name", ["lfw"]),
    Readers(
        ("data.synthetic.num_people", "data.synthetic.photos_per_person"),
        "data.name",
        ["synthetic"],
    ),
    Readers(
        ("data.verification_share", "data.skip_unreadable"),
        "data.name",
        ["orl", "folder", "synthetic"],
    ),
    Readers(("data.composites.photos",), "data.composites.people", None),
    Readers(("parallel.model_axis",), "parallel.mode", ["jit"]),
    Readers(("parallel.sync_batch_norm",), "parallel.mode", ["pmap"]),
)


def meaning(config: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a resolved config that are read, by keys such as "loss.name"."""
    values = dict(flat(config))
    without = {*unread(values), "brings"}  # what that has brought is in its place
    return {key: value for key, value in values.items() if key not in without}


def unread(values: Flat) -> dict[str, Readers]:
    """The keys that the choices among these values do not read, and what does."""
    return {
        key: readers
        for readers in READERS
        if readers.choice in values and not readers.read(values[readers.choice])
        for key in readers.keys
    }


def refuse_unread(values: Flat, defaults: Flat) -> None:
    """Raises UsageError for a key that is set, but not read.

    It is set where it is neither None nor the default.
    """
    for key, readers in unread(values).items():
        value = values[key]
        if value not in (None, defaults[key]):
            raise UsageError(
                f"{key} is {value}: {readers.choice}={values[readers.choice]} does "
                "not read it, leave it out of the command or the config file (read by "
                f"{readers})"
            )
