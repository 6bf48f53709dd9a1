"""A few steps of the tiny network in every layout of eight devices, as JSON.

python tests/layouts.py: {scenario: {layout: what it gave}}. A process of its own, since
JAX counts its devices only once.
"""

import json
import os

# Compiling is most of the time, and it is layouts that are compared.
os.environ["XLA_FLAGS"] = (
    "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
)

import jax
import numpy as np
from jax.sharding import Mesh
from tiny import TINY, tiny_config

from cl_facenet.build import build_model, build_optimizer, build_start
from cl_facenet.models import facenet
from cl_facenet.sharding import (
    DATA,
    MODEL,
    GlobalView,
    class_spec,
    make_layout,
    put_batch,
    room_for,
)

CLASSES, BATCH, STEPS = 7, 12, 4  # neither 7 nor 12 divides by 8

NETWORKS = facenet.NETWORKS


def batch_of(number, room, classes):
    """Rows that are the same whatever the room; the last batch is not full."""
    rng = np.random.default_rng(number)
    rows = {
        "image": rng.integers(0, 256, (BATCH, 32, 32, 3), dtype=np.uint8),
        "label": rng.integers(0, classes, BATCH).astype(np.int32),
        "mask": np.arange(BATCH) < (BATCH if number < STEPS - 1 else BATCH - 3),
    }
    spare = room - BATCH
    return {
        k: np.pad(x, [(0, spare)] + [(0, 0)] * (x.ndim - 1)) for k, x in rows.items()
    }


def trained(layout, order=None, classes=CLASSES, **changes):
    """Losses and centers of some steps, and where the arrays of people lie."""
    config = tiny_config("unused", batch_size=BATCH, **changes)
    model = build_model(config, classes, layout)
    tx, _ = build_optimizer(config, num_photos=100, num_steps=50)
    state, step, _ = build_start(config, model, tx, layout)
    room = room_for(layout, BATCH, config.micro_batches)
    losses = []
    for number in range(STEPS):
        batch = batch_of(number, room, classes)
        if order is not None:
            batch = {k: x[np.argsort(order)] for k, x in batch.items()}
        state, metrics = step(state, put_batch(layout, batch, room))
        losses.append(float(metrics["loss"]))
    centers = np.asarray(state.center_state["centers"])
    split = {
        jax.tree_util.keystr(path, simple=True, separator="/"): list(x.shape)
        for path, x in jax.tree_util.tree_leaves_with_path(state)
        if MODEL in class_spec(path, x.ndim) and not x.is_fully_replicated
    }
    return {
        "losses": losses,
        "centers": centers[:classes].tolist(),
        "spare": float(np.abs(centers[classes:]).sum()),
        "split": split,
        "step": int(state.step),
    }


def main():
    NETWORKS["tiny"] = TINY
    jax.config.update("jax_debug_key_reuse", True)  # one key, one use
    one = Mesh(np.array(jax.devices()[:1]).reshape(1, 1), (DATA, MODEL))
    layouts = {
        "one": GlobalView(),
        "1x1": GlobalView(one),
        "pmap": make_layout("pmap", model_axis=1, sync_batch_norm=True),
    }
    for model_axis in (1, 2, 4):
        name = f"{8 // model_axis}x{model_axis}"
        layouts[name] = make_layout("jit", model_axis=model_axis, sync_batch_norm=True)
    both = ("4x2", "pmap")
    scenarios = {
        "softmax": (tuple(layouts)[1:], {}),
        "mse": (("4x2",), {"loss.name": "mse", "center.rule": "dl4j_zoo"}),
        "arcface": (both, {"loss.name": "arcface", "center.rule": "caffe_face"}),
        "triplets": (both, {"loss.name": "triplet_semi_hard", "center.on": "features"}),
        "sampled": (("4x2",), {"classes": 41, "loss.class_share": 0.4}),
    }
    seen = {
        scenario: {name: trained(layouts[name], **changes) for name in ("one", *names)}
        for scenario, (names, changes) in scenarios.items()
    }
    # Row i of 16 is on device i // 2 as pmap has them, and in part i % 8 of 8.
    per_device = make_layout("pmap", model_axis=1, sync_batch_norm=False)
    order = np.arange(16) % 2 * 8 + np.arange(16) // 2  # where row i goes
    seen["apart"] = {
        "pmap": trained(per_device),
        "one": trained(GlobalView(), order=order, micro_batches=8),
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
