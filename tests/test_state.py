"""The train step: two updates beside each other."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_facenet.centers import update_centers
from cl_facenet.models.facenet import create_model, unit_range
from cl_facenet.models.operations import l2_normalize
from cl_facenet.optimizers import make_optimizer
from cl_facenet.state import count_people, create_state, make_train_step

CLASSES, SIZE = 5, 32
SETTINGS = {"center_weight": 0.5, "center_alpha": 0.5, "center_on": "embedding"}
RULE = {"loss": "softmax", "center_rule": "paper"}


@pytest.fixture
def model(tiny):
    return create_model("tiny", "openface", 8, 16.0, CLASSES)


@pytest.fixture
def tx():
    return make_optimizer(
        "sgd", optax.constant_schedule(0.1), momentum=0.9, weight_decay=1e-3
    )


def batch_of(seed, size=8):
    rng = np.random.default_rng(seed)
    return {
        "image": rng.integers(0, 256, (size, SIZE, SIZE, 3), dtype=np.uint8),
        "label": rng.integers(0, CLASSES, size).astype(np.int32),
        "mask": np.arange(size) < size - 2,
    }


def plain_step(model, tx, state, batch, center_weight, center_alpha, center_on):
    """The step as one reads it in the paper: one loss, one gradient."""

    def loss_of(params):
        variables = {"params": params, "batch_stats": state.batch_stats}
        outputs, updates = model.apply(
            variables,
            unit_range(batch["image"]),
            batch["mask"],
            train=True,
            mutable=["batch_stats"],
        )
        real = np.flatnonzero(batch["mask"])
        labels = batch["label"][real]
        log_p = jax.nn.log_softmax(outputs["logits"][real])
        softmax = -jnp.mean(log_p[jnp.arange(len(real)), labels])
        gaps = outputs[center_on][real] - state.centers[labels]
        center = center_weight / 2 * jnp.mean(jnp.sum(gaps**2, -1))
        return softmax + center, (outputs, updates["batch_stats"])

    (loss, (outputs, batch_stats)), grads = jax.value_and_grad(loss_of, has_aux=True)(
        state.params
    )
    updates, opt_state = tx.update(grads, state.opt_state, state.params)
    centers, _ = update_centers(
        state.centers, outputs[center_on], batch["label"], batch["mask"], center_alpha
    )
    state = state.replace(
        step=state.step + 1,
        params=optax.apply_updates(state.params, updates),
        batch_stats=batch_stats,
        opt_state=opt_state,
        centers=centers,
    )
    return state, loss


@pytest.mark.parametrize("center_on", ["embedding", "features"])
def test_the_step_is_that_of_one_loss_and_one_gradient(model, tx, center_on):
    settings = SETTINGS | {"center_on": center_on}
    ours = theirs = create_state(model, tx, SIZE, seed=0)
    step = make_train_step(model, tx, **RULE, **settings)
    for seed in range(3):
        theirs, loss = plain_step(model, tx, theirs, batch_of(seed), **settings)
        ours, metrics = step(jax.tree.map(jnp.copy, ours), batch_of(seed))
        assert float(metrics["loss"]) == pytest.approx(float(loss), rel=1e-4)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
        ours,
        theirs,
    )


def test_lambda_zero_is_plain_softmax_and_the_centers_still_follow(model, tx):
    states = []
    for alpha in (0.0, 1.0):  # whatever the centers do
        step = make_train_step(
            model,
            tx,
            **RULE,
            **SETTINGS | {"center_weight": 0.0, "center_alpha": alpha},
        )
        state = create_state(model, tx, SIZE, seed=0)
        for seed in range(2):
            state, metrics = step(state, batch_of(seed))
        assert metrics["center_loss"] == 0
        assert metrics["center_gradient_share"] == 0
        assert metrics["loss"] == metrics["softmax_loss"]
        states.append(state)
    still, moving = states
    jax.tree.map(np.testing.assert_array_equal, still.params, moving.params)
    assert not still.centers.any()
    assert moving.centers.any()


def test_no_optimizer_sees_the_centers(model, tx):
    state = create_state(model, tx, SIZE, seed=0)
    assert state.centers.shape == (CLASSES, 8)
    assert state.centers.dtype == jnp.float32
    shapes = {x.shape for x in jax.tree.leaves((state.params, state.opt_state))}
    assert (CLASSES, 8) not in shapes


def test_padded_rows_change_nothing(model, tx):
    step = make_train_step(model, tx, **RULE, **SETTINGS)
    batch, state = batch_of(0), create_state(model, tx, SIZE, seed=0)
    padded = ~batch["mask"]
    junk = {name: array.copy() for name, array in batch.items()}
    junk["image"][padded], junk["label"][padded] = 255, 0
    one, metrics = step(jax.tree.map(jnp.copy, state), batch)
    other, junk_metrics = step(state, junk)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), one, other)
    for name in metrics:
        np.testing.assert_allclose(metrics[name], junk_metrics[name], rtol=1e-4)


def test_gradient_share_grows_with_lambda(model, tx):
    shares = []
    for weight in (0.1, 1.0, 10.0):
        step = make_train_step(
            model, tx, **RULE, **SETTINGS | {"center_weight": weight}
        )
        state = create_state(model, tx, SIZE, seed=0)
        # At the origin, where they start, centers pull along x: not to be seen after
        # its normalisation.
        state = state.replace(
            centers=jax.random.normal(jax.random.key(0), (CLASSES, 8))
        )
        _, metrics = step(state, batch_of(0))
        shares.append(float(metrics["center_gradient_share"]))
    odds = [share / (1 - share) for share in shares]
    np.testing.assert_allclose(odds, odds[0] * np.array([1, 10, 100]), rtol=1e-3)


def test_the_step_donates_its_state_and_compiles_once(model, tx):
    step = make_train_step(model, tx, **RULE, **SETTINGS)
    state = create_state(model, tx, SIZE, seed=0)
    for seed in range(3):
        given = state
        state, _ = step(state, batch_of(seed))
        assert all(x.is_deleted() for x in jax.tree.leaves(given))
    assert step._cache_size() == 1


def test_training_learns(model, tx):
    step = make_train_step(model, tx, **RULE, **SETTINGS)
    state = create_state(model, tx, SIZE, seed=0)
    ratios, losses = [], []
    for _ in range(60):
        state, metrics = step(state, batch_of(0))
        ratios.append(float(metrics["within_between_ratio"]))
        losses.append(float(metrics["softmax_loss"]))
    assert losses[-1] < 0.1 * losses[0]
    assert ratios[-1] < 0.2


def test_the_embedding_is_of_unit_length_and_centers_come_near_it(model, tx):
    step = make_train_step(model, tx, **RULE, **SETTINGS)
    state = create_state(model, tx, SIZE, seed=0)
    batch = batch_of(0)
    for _ in range(60):
        state, _ = step(state, batch)
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    features, _ = model.apply(
        variables,
        unit_range(batch["image"]),
        batch["mask"],
        train=True,
        method="features",
        mutable=["batch_stats"],
    )
    for person in np.unique(batch["label"][batch["mask"]]):
        own = l2_normalize(features)[batch["mask"] & (batch["label"] == person)]
        assert jnp.linalg.norm(own.mean(0) - state.centers[person]) < 0.2


def test_the_compiled_step_calls_nothing_on_the_host(model, tx):
    step = make_train_step(model, tx, **RULE, **SETTINGS)
    text = step.lower(create_state(model, tx, SIZE, seed=0), batch_of(0)).as_text()
    assert "callback" not in text


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=6, max_size=6))
def test_people_in_a_batch_are_counted_once_and_padding_never(batch):
    labels, mask = (np.array(column) for column in zip(*batch, strict=True))
    expected = len({label for label, real in batch if real})
    assert count_people(labels.astype(np.int32), mask) == expected
