"""The programs of a training with many classes, of eight devices, as JSON.

python tests/class_axis.py: {program: [what in it is as long as there are classes]}. A
process of its own, since JAX counts its devices only once. The number of classes occurs
nowhere else, and eight devices do not divide it.
"""

import os

os.environ["XLA_FLAGS"] = (
    "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
)

import json
import re
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from tiny import TINY, tiny_config

from cl_facenet.build import (
    build_layout,
    build_model,
    build_optimizer,
    build_train_step,
)
from cl_facenet.center_rules import RULES
from cl_facenet.evaluate import make_answer, make_forward
from cl_facenet.losses import LOSSES
from cl_facenet.models import facenet
from cl_facenet.models.facenet import abstract_variables
from cl_facenet.params import HEAD, drop_head
from cl_facenet.sharding import make_local_layout, placed, rows_sharding
from cl_facenet.state import abstract_batch, abstract_state, make_create_state

CLASSES, ROWS, SIZE = 4003, 16, 32
LENGTHS = {CLASSES, -(-CLASSES // 4) * 4, -(-CLASSES // 8) * 8}

# Config keys by name. Losses and rules go together: neither asks for the other.
RULE_OF = dict(zip(LOSSES, [*RULES, "paper", "caffe_face", "dl4j_zoo"], strict=True))
KINDS: dict[str, dict[str, Any]] = {
    loss: {"loss.name": loss, "center.rule": rule} for loss, rule in RULE_OF.items()
}
for name, loss in LOSSES.items():
    if loss.head is None:
        KINDS[name] |= {"data.photos_per_person": 2}
KINDS |= {
    "sampled": {"loss.class_share": 0.5, "optimizer.average_decay": 0.9},
    "sampled, in parts": {
        "loss.name": "arcface",
        "loss.class_share": 0.01,
        "loss.label_smoothing": 0.1,
        "micro_batches": 2,
        "max_bad_steps": 1,
        "model.dropout": 0.1,
    },
    "smoothed mse by the zoo": {
        "loss.name": "mse",
        "loss.label_smoothing": 0.1,
        "center.rule": "dl4j_zoo",
        "max_bad_steps": 1,
        "optimizer.name": "sgd",
    },
    "smoothed features on a 2 x 4 mesh": {
        "loss.name": "softmax_of_features",
        "loss.label_smoothing": 0.1,
        "center.on": "features",
        "parallel.model_axis": 4,
        "optimizer.name": "adagrad",
    },
    "caffe_face on a 2 x 4 mesh": {
        "center.rule": "caffe_face",
        "parallel.model_axis": 4,
        "optimizer.name": "adam_dl4j",
        "optimizer.average_decay": 0.9,
    },
}


def programs(changes: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The jitted functions of a training and its evaluation, lowered."""
    changes = {"parallel.model_axis": 8} | changes
    config = tiny_config("unused", batch_size=ROWS, **changes)
    layout = build_layout(config)
    model = build_model(config, CLASSES, layout)
    tx, _ = build_optimizer(config, num_photos=100, num_steps=50)
    averages = config.optimizer.average_decay > 0
    rule = RULES[config.center.rule]
    create = make_create_state(model, tx, rule, SIZE, 0, layout, averages)
    state = abstract_state(create, layout)
    step = build_train_step(config, model, tx, layout)
    yield "step", step.lower(state, abstract_batch(ROWS, SIZE, layout))
    yield "create", create.lower()
    if model.classifies:
        yield from evaluation(config, model)


def evaluation(config: Any, model: Any) -> Iterator[tuple[str, Any]]:
    layout = make_local_layout(config.parallel.model_axis)
    variables = placed(layout, abstract_variables(model, SIZE))
    rows = rows_sharding(layout)
    images = jax.ShapeDtypeStruct((ROWS, SIZE, SIZE, 3), jnp.uint8, sharding=rows)
    features = jax.ShapeDtypeStruct((ROWS, 8), jnp.float32, sharding=rows)
    params = variables["params"]
    body = variables | {"params": drop_head(params)}
    yield "forward", make_forward(model).lower(body, images)
    head = {"params": {HEAD: params[HEAD]}}
    yield "answer", make_answer(model, CLASSES, layout).lower(head, features)


def as_long_as_classes(program: str) -> list[str]:
    """The operations of a compiled program that give an array of that length."""
    lines = (
        re.match(r"\s*(?:ROOT )?%?[\w.-]+ = (.*?) ([\w-]+)\(", line)
        for line in program.splitlines()
    )
    return sorted(
        {
            f"{operation} {shape}"
            for shape, operation in (line.groups() for line in lines if line)
            for sizes in re.findall(r"\[([\d,]+)\]", shape)
            if LENGTHS & {int(size) for size in sizes.split(",")}
        }
    )


def main() -> None:
    facenet.NETWORKS["tiny"] = TINY
    jax.config.update("jax_debug_key_reuse", True)  # one key, one use
    seen = {
        f"{kind}: {name}": as_long_as_classes(program.compile().as_text())
        for kind, changes in KINDS.items()
        for name, program in programs(changes)
    }
    everything = jax.jit(
        lambda: jnp.ones(CLASSES) * jax.random.normal(jax.random.key(0))
    )
    seen["what is seen"] = as_long_as_classes(everything.lower().compile().as_text())
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
