"""A new run that begins with the trunk and the embedding of an earlier one's network.

The head and the centers are of the people trained on, so they stay new, and so does
the optimizer's state.
"""

import dataclasses
import os
from collections.abc import Collection, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from cl_facenet import shipped
from cl_facenet.checkpoint import read_data, restore_variables
from cl_facenet.data.pairs import seen
from cl_facenet.data.preprocessing import check_same
from cl_facenet.errors import InputError, UsageError
from cl_facenet.interop.weights import read_weights
from cl_facenet.model_folder import is_model_folder, read_model
from cl_facenet.params import HEAD, Merged, drop_head, leaves, merge
from cl_facenet.processes import say
from cl_facenet.state import TrainState
from cl_facenet.workdir import is_run, read_config, read_people

# What two networks have to have in common; the rest of `model` is the head's.
_SAME = ("name", "graph", "embedding_size")


def warm_start(
    state: TrainState,
    init_from: str | os.PathLike[str],
    *,
    model: Mapping[str, Any],
    data: Mapping[str, Any],
    unseen: Collection[str],
) -> tuple[TrainState, str]:
    """`state`, which is new, with trunk, embedding and batch statistics of another.

    Args:
      init_from: the workdir of a run (its newest checkpoint is taken), the folder of a
        saved embedder or the name of a shipped one, a folder of OpenFace's CSV files,
        or a .safetensors file. The last two do not tell their graph, their photos'
        preprocessing and who is on them; of that take care yourself.
      model: the `model` section of the config.
      data: which photos these are, and how they were made square.
      unseen: the people who are kept for verification.

    Returns:
      The state, and a line on what was kept and what is new.

    Raises:
      InputError: no weights there, or not all of this network's; or photos prepared
        otherwise than those it was trained on; or it was trained on the unseen.
      UsageError: it is another model.
    """
    name, source = str(init_from), shipped.find(init_from)
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    body = variables | {"params": drop_head(state.params)}
    if is_run(source):
        config, trained_on = (
            read_config(source),
            read_data(source / "checkpoints", together=True),
        )
        _check_model(name, config["model"], model)
        check_same(data["preprocessing"], trained_on["preprocessing"])
        same_photos = data["fingerprint"] == trained_on["fingerprint"]
        _check_unseen(name, read_people(source), unseen, same_photos=same_photos)
        given, step = restore_variables(
            source / "checkpoints", body, config, together=True
        )
        origin = f"{name} at step {step}"
    elif is_model_folder(source):
        saved = read_model(source)
        _check_model(name, dataclasses.asdict(saved.card.architecture), model)
        check_same(data["preprocessing"], saved.preprocessing)
        there = saved.card.trained_on
        same_photos = data["source"] == there.data
        _check_unseen(name, there.people, unseen, same_photos=same_photos)
        given, origin = saved.variables, name
    else:
        given, origin = read_weights(source, body), name
    merged = merge(given, variables, source=name, fresh=(f"params/{HEAD}",))
    # Copied to where the new ones are: the train step writes over what it is given.
    placed = jax.tree.map(
        lambda x, new: jax.device_put(jnp.array(x), new.sharding),
        merged.tree,
        variables,
    )
    # An average begins there, too, in arrays of its own.
    average = jax.tree.map(jnp.copy, placed) if state.average else {}
    return dataclasses.replace(state, **placed, average=average), _report(
        origin, merged
    )


def _check_model(name: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Refuses another network."""
    for key in _SAME:
        if there[key] != here[key]:
            raise UsageError(
                f"init_from={name} has model.{key} {there[key]!r}, this run has "
                f"{here[key]!r}: make them the same, or leave init_from out"
            )


def _check_unseen(
    name: str,
    trained_on: Collection[str],
    unseen: Collection[str],
    *,
    same_photos: bool,
) -> None:
    """Refuses one that knows whom it is to be verified on.

    Only of the same photos do equal names say that it is the same people; of others
    it is said.
    """
    known = seen(unseen, trained_on)
    if known and not same_photos:
        say(
            f"init_from={name} was trained on other photos, of {len(known)} people "
            f"with names of those who are kept for verification here, such as "
            f"{known[0]}: if they are the same people, its result would say nothing"
        )
    elif known:
        raise InputError(
            f"init_from={name} was trained on {len(known)} of the people who are "
            f"kept for verification here, such as {known[0]}: split them in the same "
            "way (seed, data.verification_share, data.lfw.protocol)"
        )


def _report(origin: str, merged: Merged) -> str:
    sizes = {name: array.size for name, array in leaves(merged.tree)}
    parts = {
        what: f"{len(names)} arrays, {sum(sizes[name] for name in names):,} numbers"
        for what, names in (
            ("params", [n for n in merged.given if n.startswith("params/")]),
            ("batch_stats", [n for n in merged.given if n.startswith("batch_stats/")]),
            ("head", merged.fresh),
        )
    }
    return (
        f"init_from {origin}: trunk and embedding kept ({parts['params']}; batch "
        f"statistics {parts['batch_stats']}); head ({parts['head']}), centers and "
        "optimizer are new"
    )
