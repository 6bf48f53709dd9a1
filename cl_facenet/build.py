"""From a config to the parts of a run: data, network, optimizer, step, batches."""

from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
import optax
from ml_collections import ConfigDict

from cl_facenet.data.augment import Augment
from cl_facenet.data.folder import folder_source
from cl_facenet.data.orl import orl_source
from cl_facenet.data.pipeline import Batch, num_batches, train_batches
from cl_facenet.data.records import (
    Records,
    default_cache_dir,
    is_prepared,
    open_records,
    prepare,
)
from cl_facenet.data.splits import Split, split_people
from cl_facenet.data.synthetic import synthetic_source
from cl_facenet.errors import InputError
from cl_facenet.evaluation.verification import NUM_FOLDS
from cl_facenet.models.facenet import FaceNet, create_model
from cl_facenet.optimizers import make_optimizer, make_schedule
from cl_facenet.state import TrainStep, make_train_step

MAX_PAIRS = 20_000_000  # of photos, in verification: some 3 GB


def build_data(config: ConfigDict) -> tuple[Records, Split]:
    """The config's photos as records, and who of them is trained on."""
    data = config.data
    records = _build_records(config)
    split = split_people(
        records.labels,
        records.people,
        verification_share=data.verification_share,
        heldout_share=data.heldout_share,
        seed=config.seed,
    )
    found = len(split.train_people)
    if data.num_classes not in (None, found):
        raise InputError(
            f"data.num_classes is {data.num_classes}, but the data has {found} people "
            "to train on: leave it out"
        )
    if split.verification_people:
        _check_pairs(len(split.verification_indices))
    return records, split


def _build_records(config: ConfigDict) -> Records:
    data, folder = config.data, Path(config.data.path).expanduser()
    if data.name == "folder" and is_prepared(folder):
        records = open_records(folder)
        stored = records.metadata["preprocessing"]["image_size"]
        if stored != data.image_size:
            raise InputError(
                f"{folder} holds photos of {stored} pixels, data.image_size is "
                f"{data.image_size}: change it, or prepare them again"
            )
        return records
    sources = {
        "orl": lambda: orl_source(),
        "folder": lambda: folder_source(folder),
        "synthetic": lambda: synthetic_source(**data.synthetic, seed=config.seed),
    }
    cache_dir = Path(data.cache_dir).expanduser() if data.cache_dir else None
    return prepare(
        sources[data.name](),
        image_size=data.image_size,
        cache_dir=cache_dir or default_cache_dir(),
        skip_unreadable=data.skip_unreadable,
    )


def _check_pairs(num_photos: int) -> None:
    # Now, rather than when the training is done.
    num_pairs = num_photos * (num_photos - 1) // 2
    if num_pairs < NUM_FOLDS:
        raise InputError(
            f"verification on all pairs of {num_photos} photos is {num_pairs} pairs, "
            f"under {NUM_FOLDS}: raise data.verification_share, or set it to 0"
        )
    if num_pairs > MAX_PAIRS:
        raise InputError(
            f"verification on all pairs of {num_photos:,} photos would be "
            f"{num_pairs:,}, over {MAX_PAIRS:,}: lower data.verification_share"
        )


def data_identity(records: Records) -> dict[str, Any]:
    """What says which photos these are, and how they were made to fit."""
    return {
        name: records.metadata[name]
        for name in ("source", "fingerprint", "preprocessing")
    }


def check_data(trained_on: dict[str, Any], records: Records) -> None:
    """Refuses photos that are not those that a checkpoint was trained on.

    Others would give other people the same labels, and might put people trained on
    into the verification pairs.
    """
    for name, value in data_identity(records).items():
        if trained_on[name] != value:
            raise InputError(
                f"the photos have changed since this run began ({name} was "
                f"{trained_on[name]}, is {value}): bring them back, or choose "
                "another --workdir"
            )


def count_steps(config: ConfigDict, split: Split) -> int:
    """How many steps a whole training takes."""
    num_photos = len(split.train_indices)
    return num_batches(num_photos, config.batch_size, config.num_epochs)


def build_model(config: ConfigDict, num_classes: int) -> FaceNet:
    """The config's network with a head for `num_classes` people."""
    return create_model(**config.model, num_classes=num_classes)


def build_optimizer(
    config: ConfigDict, *, num_photos: int, num_steps: int
) -> tuple[optax.GradientTransformation, np.ndarray]:
    """The optax transformation, and the learning rate of each step [num_steps]."""
    opt = config.optimizer
    steps_per_epoch = num_photos / config.batch_size
    schedule = make_schedule(
        opt.schedule,
        opt.learning_rate,
        num_steps=num_steps,
        warmup_steps=round(opt.warmup_epochs * steps_per_epoch),
        decay_steps=tuple(round(e * steps_per_epoch) for e in opt.decay_epochs),
        decay_factor=opt.decay_factor,
    )
    optimizer = make_optimizer(
        opt.name, schedule, momentum=opt.momentum, weight_decay=opt.weight_decay
    )
    return optimizer, np.asarray(jax.vmap(schedule)(np.arange(num_steps)))


def build_train_step(
    config: ConfigDict, model: FaceNet, tx: optax.GradientTransformation
) -> TrainStep:
    """The config's jitted train step."""
    return make_train_step(
        model,
        tx,
        loss=config.loss.name,
        center_weight=config.center.weight,
        center_alpha=config.center.alpha,
        center_rule=config.center.rule,
        center_on=config.center.on,
    )


def build_batches(
    config: ConfigDict, records: Records, split: Split
) -> grain.DatasetIterator[Batch]:
    """The training batches, augmented as the config says."""
    return train_batches(
        records,
        split.train_indices,
        split.train_labels,
        batch_size=config.batch_size,
        num_epochs=config.num_epochs,
        seed=config.seed,
        augment=Augment(**config.data.augment),
        num_threads=config.data.num_threads,
    )
