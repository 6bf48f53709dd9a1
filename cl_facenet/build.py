"""From a config to the parts of a run: network, optimizer, step, batches."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import grain
import jax
import numpy as np
import optax
from ml_collections import ConfigDict

from cl_facenet.center_rules import RULES
from cl_facenet.config import resolved
from cl_facenet.data.augment import Augment
from cl_facenet.data.pipeline import Batch, num_batches, train_batches
from cl_facenet.data.records import Records
from cl_facenet.data.splits import Split
from cl_facenet.kept_traces import kept
from cl_facenet.losses import LOSSES
from cl_facenet.losses.class_sampling import number_sampled
from cl_facenet.memory import check_room, state_bytes, step_bytes
from cl_facenet.models.facenet import FaceNet, create_model
from cl_facenet.optimizers import make_optimizer, make_schedule
from cl_facenet.sharding import (
    Layout,
    make_layout,
    own_rows,
    put_batch,
    room_for,
    shard_shape,
    spare_columns,
)
from cl_facenet.state import (
    ONE_DEVICE,
    TrainState,
    TrainStep,
    abstract_batch,
    abstract_state,
    make_create_state,
    make_train_step,
)


def count_steps(config: ConfigDict, split: Split) -> int:
    """How many steps a whole training takes."""
    return num_batches(split.photos_an_epoch, config.batch_size, config.num_epochs)


def build_model(
    config: ConfigDict, num_classes: int, layout: Layout = ONE_DEVICE
) -> FaceNet:
    """The config's network for `num_classes` people, with the head of its loss."""
    config = resolved(config)
    scale = config.model.logit_scale or 1.0  # None: the head does not read it
    return create_model(
        **{**config.model, "logit_scale": scale},
        num_classes=num_classes,
        head=LOSSES[config.loss.name].head,
        spare_columns=spare_columns(layout, num_classes),
    )


def build_layout(config: ConfigDict) -> Layout:
    """How the config's training is spread over the devices there are."""
    return make_layout(**config.parallel)


def build_optimizer(
    config: ConfigDict, *, num_photos: int, num_steps: int
) -> tuple[optax.GradientTransformation, np.ndarray]:
    """The optax transformation, and the learning rate of each step [num_steps]."""
    opt = resolved(config).optimizer
    steps_per_epoch = num_photos / config.batch_size
    schedule = make_schedule(
        opt.schedule,
        opt.learning_rate,
        num_steps=num_steps,
        warmup_steps=round(opt.warmup_epochs * steps_per_epoch),
        decay_steps=tuple(round(e * steps_per_epoch) for e in opt.decay_epochs or ()),
        decay_factor=opt.decay_factor,
    )
    optimizer = make_optimizer(
        opt.name,
        schedule,
        momentum=opt.momentum,
        epsilon=opt.epsilon,
        weight_decay=opt.weight_decay,
    )
    return optimizer, np.asarray(jax.jit(jax.vmap(schedule))(np.arange(num_steps)))


class Start(NamedTuple):
    """What a training begins with.

    Attributes:
      state: the train state at step 0.
      step: the train step, compiled for it.
      memory: a line on what they take.
    """

    state: TrainState
    step: TrainStep
    memory: str


def build_start(
    config: ConfigDict,
    model: FaceNet,
    tx: optax.GradientTransformation,
    layout: Layout = ONE_DEVICE,
    *,
    kept_for: np.ndarray | None = None,
) -> Start:
    """The state at step 0 and the compiled step.

    The state is made while the step, once traced, compiles. Two functions traced at the
    same time would only wait for each other: tracing is Python's work.

    Args:
      kept_for: the learning rates of `tx`: the step is one of `kept_traces`, which see
        to what they may be used for. None: it is traced.

    Raises:
      InputError: they take more memory than a device has.
    """
    rule = RULES[config.center.rule]
    size = config.data.image_size
    averages = config.optimizer.average_decay > 0
    create = make_create_state(model, tx, rule, size, config.seed, layout, averages)
    train_step = build_train_step(config, model, tx, layout)
    room = room_for(layout, config.batch_size, config.micro_batches)
    device = jax.local_devices()[0]
    with ThreadPoolExecutor(max_workers=1) as beside:
        state_like = abstract_state(create, layout)
        needed = state_bytes(state_like)
        check_room(needed, device)
        batch_like = abstract_batch(room, size, layout)
        if kept_for is not None and layout.mesh is None:
            decided_by = (config.to_json(sort_keys=True), kept_for.tobytes())
            traced = kept(
                train_step.__wrapped__, state_like, batch_like, decided_by=decided_by
            )
            train_step = layout.compile(traced)
        compiling = beside.submit(train_step.lower(state_like, batch_like).compile)
        state = create()
        program = compiling.result()
    needed |= step_bytes(program, *logits_shape(config, model, layout))
    return Start(state, program, check_room(needed, device))


def logits_shape(config: ConfigDict, model: FaceNet, layout: Layout) -> tuple[int, int]:
    """Rows and columns of the logits on one device; none without a classifier."""
    if not model.classifies:
        return 0, 0
    room = room_for(layout, config.batch_size, config.micro_batches)
    seen = number_sampled(model.num_classes or 0, room, config.loss.class_share)
    spare = model.spare_columns if config.loss.class_share == 1 else 0
    return shard_shape(layout, room, seen + spare)


def build_train_step(
    config: ConfigDict,
    model: FaceNet,
    tx: optax.GradientTransformation,
    layout: Layout = ONE_DEVICE,
) -> TrainStep:
    """The config's jitted train step."""
    config = resolved(config)
    return make_train_step(
        model,
        tx,
        loss=LOSSES[config.loss.name],
        margin=config.loss.margin,
        label_smoothing=config.loss.label_smoothing,
        rule=RULES[config.center.rule],
        center_weight=config.center.weight,
        center_alpha=config.center.alpha,
        center_on=config.center.on,
        seed=config.seed,
        micro_batches=config.micro_batches,
        class_share=config.loss.class_share,
        skip_bad=config.max_bad_steps > 0,
        average_decay=config.optimizer.average_decay,
        layout=layout,
    )


def build_batches(
    config: ConfigDict, records: Records, split: Split, layout: Layout = ONE_DEVICE
) -> grain.DatasetIterator[Batch]:
    """The training batches, augmented as the config says, on the layout's devices."""
    room = room_for(layout, config.batch_size, config.micro_batches)
    return train_batches(
        records,
        split.train_indices,
        split.train_labels,
        split.composites,
        batch_size=config.batch_size,
        photos_per_person=config.data.photos_per_person,
        num_epochs=config.num_epochs,
        seed=config.seed,
        augment=Augment(**config.data.augment),
        num_threads=config.data.num_threads,
        rows=own_rows(layout, room),
        place=lambda batch: put_batch(layout, batch, room),
    )
