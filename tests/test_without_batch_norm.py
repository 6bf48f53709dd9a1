"""A network without batch normalisation, with dropout, goes all the way."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import tiny_config

import cl_facenet
from cl_facenet.center_rules import RULES
from cl_facenet.checkpoint import restore_parts
from cl_facenet.losses import LOSSES
from cl_facenet.models.compute import Compute
from cl_facenet.models.ending import Ending, LinearBN
from cl_facenet.models.facenet import (
    NETWORKS,
    Network,
    abstract_variables,
    create_model,
)
from cl_facenet.models.operations.lengths import l2_normalize_above
from cl_facenet.models.rows import Rows
from cl_facenet.optimizers import make_optimizer
from cl_facenet.state import create_state, make_train_step
from cl_facenet.train import train


class BareTrunk(nn.Module):
    """Sixteen averages of a photo, and one layer."""

    compute: Compute = Compute()

    @nn.compact
    def __call__(self, images: jax.Array, rows: Rows, *, train: bool) -> jax.Array:
        x = images.reshape(len(images), 4, 8, 4, 8, 3).mean((2, 4))
        return nn.relu(nn.Dense(16, name="layer")(x.reshape(len(x), -1)))

    def check_size(self, height: int, width: int) -> None:
        """Takes 32x32."""


@pytest.fixture
def bare(monkeypatch):
    monkeypatch.setitem(NETWORKS, "bare", {"published": Network(BareTrunk())})
    return {"model.name": "bare", "model.graph": "published", "model.dropout": 0.2}


def test_a_run_from_training_to_embedding(bare, tmp_path):
    config = tiny_config(tmp_path / "cache", num_epochs=2, **bare)
    results = train(config, tmp_path / "run")
    assert results["step"] == results["num_steps"]
    embedder = cl_facenet.load(tmp_path / "run")
    assert embedder.params["batch_stats"] == {}
    photos = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    assert embedder(photos).shape == (3, 8)


def test_a_resumed_run_is_an_uninterrupted_one(bare, tmp_path, monkeypatch):
    """Dropout, too, draws after a resume what it would have drawn."""
    config = tiny_config(tmp_path / "cache", num_epochs=4, **bare)
    train(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr("cl_facenet.progress.Progress.show", stop_at_step_6)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "parts")
    train(config, tmp_path / "parts")
    model = create_model("bare", "published", 8, 8.0, None)
    like = {"params": abstract_variables(model, 32)["params"]}
    whole, parts = (
        restore_parts(tmp_path / name / "checkpoints", like)[0]
        for name in ("whole", "parts")
    )
    jax.tree.map(np.testing.assert_array_equal, whole, parts)


def stop_at_step_6(self, step, metrics):
    if step == 6:
        raise KeyboardInterrupt


def step_of(model):
    tx = make_optimizer(
        "sgd", lambda _: 0.1, momentum=0.9, epsilon=0.0, weight_decay=0.0
    )
    step = make_train_step(
        model,
        tx,
        loss=LOSSES["softmax"],
        margin=None,
        rule=RULES["paper"],
        center_weight=0.5,
        center_alpha=0.5,
        center_on="embedding",
        seed=0,
    )
    return step, create_state(model, tx, RULES["paper"], 32, seed=0)


def test_the_embedding_s_batch_normalisation_sees_no_padding(monkeypatch):
    ending = Ending(LinearBN, normalize=partial(l2_normalize_above, floor=1e-12))
    network = {"published": Network(BareTrunk(), ending)}
    monkeypatch.setitem(NETWORKS, "bare", network)
    step, state = step_of(create_model("bare", "published", 8, 8.0, 3))
    rng = np.random.default_rng(0)
    batch = {
        "image": rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8),
        "label": np.array([0, 1, 2, 0, 1, 2], np.int32),
        "mask": np.arange(6) < 4,
    }
    junk = batch | {
        "image": np.where(batch["mask"][:, None, None, None], batch["image"], 255)
    }
    one, _ = step(jax.tree.map(jnp.copy, state), batch)
    other, _ = step(state, junk)
    assert set(one.batch_stats) == {"embedding"}
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), one, other)
