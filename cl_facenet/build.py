"""From a config to the parts of a run: data, network, optimizer, step, batches."""

import grain
import jax
import numpy as np
import optax
from ml_collections import ConfigDict

from cl_facenet.config import records_dir
from cl_facenet.data.augment import Augment
from cl_facenet.data.folder import folder_source
from cl_facenet.data.orl import orl_source
from cl_facenet.data.pipeline import Batch, train_batches
from cl_facenet.data.records import Records, prepare
from cl_facenet.data.splits import Split, split_people
from cl_facenet.data.synthetic import synthetic_source
from cl_facenet.errors import InputError
from cl_facenet.models.facenet import FaceNet, create_model
from cl_facenet.optimizers import make_optimizer, make_schedule
from cl_facenet.state import TrainStep, make_train_step


def build_data(config: ConfigDict) -> tuple[Records, Split]:
    """The config's photos as records, and who of them is trained on."""
    data = config.data
    sources = {
        "orl": lambda: orl_source(),
        "folder": lambda: folder_source(data.path),
        "synthetic": lambda: synthetic_source(**data.synthetic, seed=config.seed),
    }
    records = prepare(
        sources[data.name](),
        image_size=data.image_size,
        cache_dir=records_dir(data.cache_dir),
        skip_unreadable=data.skip_unreadable,
    )
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
    return records, split


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
