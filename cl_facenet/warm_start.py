"""A new run that begins with the trunk and the embedding of an earlier one's network.

The head and the centers are of the people trained on, so they stay new, and so does
the optimizer's state.
"""

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from cl_facenet.checkpoint import read_data, restore_variables
from cl_facenet.data.preprocessing import check_same
from cl_facenet.errors import InputError, UsageError
from cl_facenet.interop.weights import read_weights
from cl_facenet.params import HEAD, Merged, drop_head, leaves, merge
from cl_facenet.state import TrainState
from cl_facenet.workdir import is_run, read_config, read_people

# What two networks have to have in common; the rest of `model` is the head's.
_SAME = ("name", "graph", "embedding_size")


def warm_start(
    state: TrainState,
    source: Path,
    *,
    model: Mapping[str, Any],
    data: Mapping[str, Any],
    unseen: Collection[str],
) -> tuple[TrainState, str]:
    """`state`, which is new, with trunk, embedding and batch statistics of `source`.

    Args:
      source: the workdir of a run (its newest checkpoint is taken), a folder of
        OpenFace's CSV files, or a .safetensors file. Only a workdir tells its graph,
        its photos' preprocessing and who is on them; of the others take care yourself.
      model: the `model` section of the config.
      data: which photos these are, and how they were made square.
      unseen: the people who are kept for verification.

    Returns:
      The state, and a line on what was kept and what is new.

    Raises:
      InputError: no weights there, or not all of this network's; or photos prepared
        otherwise than those of the run; or it was trained on the unseen.
      UsageError: a run of another model.
    """
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    body = variables | {"params": drop_head(state.params)}
    if is_run(source):
        _check_model(source, model)
        _check_data(source, data, unseen)
        config = read_config(source)
        given, step = restore_variables(source / "checkpoints", body, config)
        origin = f"{source} at step {step}"
    else:
        given, origin = read_weights(source, body), str(source)
    merged = merge(given, variables, source=str(source), fresh=(f"params/{HEAD}",))
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


def _check_model(workdir: Path, model: Mapping[str, Any]) -> None:
    """Refuses a run of another network."""
    there = read_config(workdir)["model"]
    for key in _SAME:
        if there[key] != model[key]:
            raise UsageError(
                f"init_from={workdir} has model.{key} {there[key]!r}, this run has "
                f"{model[key]!r}: make them the same, or leave init_from out"
            )


def _check_data(
    workdir: Path, data: Mapping[str, Any], unseen: Collection[str]
) -> None:
    """Refuses a run of photos prepared otherwise, or of the unseen.

    Only of the very same photos do equal names say that it is the same people.
    """
    there = read_data(workdir / "checkpoints")
    check_same(data["preprocessing"], there["preprocessing"])
    if data["fingerprint"] == there["fingerprint"]:
        known = sorted(set(read_people(workdir)) & set(unseen))
        if known:
            raise InputError(
                f"init_from={workdir} was trained on {len(known)} of the people who "
                f"are kept for verification here, such as {known[0]}: split them in "
                "the same way (seed, data.verification_share, data.lfw.protocol)"
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
