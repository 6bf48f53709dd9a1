"""Trained embedders from where they are kept."""

import os
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import jax

from cl_facenet import shipped
from cl_facenet.compiling import keep_programs
from cl_facenet.data.preprocessing import Preprocessing, described
from cl_facenet.devices import start_jax
from cl_facenet.embedder import Embedder, Variables
from cl_facenet.errors import InputError, UsageError
from cl_facenet.evaluation.calibration import Calibration
from cl_facenet.model_card import Architecture, ModelCard, TrainedOn
from cl_facenet.model_folder import ABOUT, WEIGHTS, is_model_folder, read_model
from cl_facenet.models.facenet import FaceNet, abstract_variables, create_model
from cl_facenet.params import merge
from cl_facenet.workdir import is_run, read_config, read_people, read_results


def load(path: str | os.PathLike[str]) -> Embedder:
    """The embedder of a run, at its newest checkpoint, or one that was saved.

    Args:
      path: the workdir, the folder that `Embedder.save` has written, or the name of one
        that comes with the package.

    Raises:
      InputError: it is none of these, what is in it cannot be read, or this process
        was forked from one that ran JAX.
    """
    start_jax()
    keep_programs()
    path = shipped.find(path)
    if is_model_folder(path):
        return _load_folder(path)
    if is_run(path):
        return _load_workdir(path)
    raise InputError(
        f"{path} is neither the directory of a run (no config.json in it) nor a saved "
        f"embedder (no {ABOUT}), nor the name of a shipped one "
        f"({', '.join(shipped.names()) or 'there is none'})"
    )


def _load_folder(path: Path) -> Embedder:
    card, description, variables = read_model(path)
    try:
        preprocessing = described(description)
        model, like = _network(card.architecture, preprocessing)
    except UsageError as error:  # it is the file's fault, and no flag's
        raise InputError(f"{path / ABOUT}: {error}") from error
    merged = merge(variables, like, source=str(path / WEIGHTS))
    return Embedder(model, jax.device_put(merged.tree), preprocessing, card)


def _load_workdir(path: Path) -> Embedder:
    # Imported here: a saved embedder shall not need Orbax.
    from cl_facenet.checkpoint import read_data, restore_variables

    config, checkpoints = read_config(path), path / "checkpoints"
    data = read_data(checkpoints)
    preprocessing = described(data["preprocessing"])
    names = {field.name for field in fields(Architecture)}
    architecture = Architecture(
        **{n: x for n, x in config["model"].items() if n in names}
    )
    model, like = _network(architecture, preprocessing)
    variables, step = restore_variables(checkpoints, like, config)
    people = read_people(path)
    trained_on = TrainedOn(data["source"], sum(people.values()), tuple(people), step)
    results = read_results(path)
    card = ModelCard(architecture, trained_on)
    if results is not None and results["step"] == step:  # or they are of other weights
        card = replace(card, **_judged(results))
    return Embedder(model, variables, preprocessing, card)


def _judged(results: Mapping[str, Any]) -> dict[str, Any]:
    """What a card takes of results.json."""
    names = ("classification", "verification", "identification")
    # None of a run that was evaluated before there were calibrations.
    calibration = results.get("calibration")
    return {
        "results": {name: results[name] for name in names},
        "calibration": calibration and Calibration.from_json(calibration),
    }


def _network(
    architecture: Architecture, preprocessing: Preprocessing
) -> tuple[FaceNet, Variables]:
    """The network without its head, and its variables, abstract.

    Raises:
      InputError: there is no such network, or it does not take photos of this size.
    """
    # The scale is the head's.
    model = create_model(**asdict(architecture), logit_scale=1.0, num_classes=None)
    return model, abstract_variables(model, preprocessing.image_size)
