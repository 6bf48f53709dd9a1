"""The train step: two updates beside each other."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cl_facenet.center_rules import RULES
from cl_facenet.centers import pull_of
from cl_facenet.losses import LOSSES
from cl_facenet.models.facenet import create_model, unit_range
from cl_facenet.models.operations.lengths import l2_normalize
from cl_facenet.models.rows import Rows
from cl_facenet.optimizers import make_optimizer
from cl_facenet.state import create_state, make_create_state, make_train_step

CLASSES, SIZE = 5, 32
SETTINGS = {"center_weight": 0.5, "center_alpha": 0.5, "center_on": "embedding"}
PAPER = RULES["paper"]
RULE = {"loss": LOSSES["softmax"], "margin": None, "rule": PAPER, "seed": 0}


@pytest.fixture
def model(tiny):
    return create_model("tiny", "openface", 8, 16.0, CLASSES)


@pytest.fixture
def tx():
    return make_optimizer(
        "sgd",
        optax.constant_schedule(0.1),
        momentum=0.9,
        epsilon=0.0,
        weight_decay=1e-3,
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
            Rows(batch["mask"]),
            train=True,
            mutable=["batch_stats"],
        )
        real = np.flatnonzero(batch["mask"])
        labels = batch["label"][real]
        log_p = jax.nn.log_softmax(outputs["logits"][real])
        softmax = -jnp.mean(log_p[jnp.arange(len(real)), labels])
        gaps = outputs[center_on][real] - state.center_state["centers"][labels]
        center = center_weight / 2 * jnp.mean(jnp.sum(gaps**2, -1))
        return softmax + center, (outputs, updates["batch_stats"])

    (loss, (outputs, batch_stats)), grads = jax.value_and_grad(loss_of, has_aux=True)(
        state.params
    )
    updates, opt_state = tx.update(grads, state.opt_state, state.params)
    pull = pull_of(
        state.center_state["centers"],
        outputs[center_on],
        batch["label"],
        batch["mask"],
        0.0,
    )
    state = state.replace(
        step=state.step + 1,
        params=optax.apply_updates(state.params, updates),
        batch_stats=batch_stats,
        opt_state=opt_state,
        center_state=PAPER.update(state.center_state, pull, center_alpha),
    )
    return state, loss


@pytest.mark.parametrize("center_on", ["embedding", "features"])
def test_the_step_is_that_of_one_loss_and_one_gradient(model, tx, center_on):
    settings = SETTINGS | {"center_on": center_on}
    ours = theirs = create_state(model, tx, PAPER, SIZE, seed=0)
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
        state = create_state(model, tx, PAPER, SIZE, seed=0)
        for seed in range(2):
            state, metrics = step(state, batch_of(seed))
        assert metrics["center_loss"] == 0
        assert metrics["center_gradient_share"] == 0
        assert metrics["loss"] == metrics["identity_loss"]
        states.append(state)
    still, moving = states
    jax.tree.map(np.testing.assert_array_equal, still.params, moving.params)
    assert not still.center_state["centers"].any()
    assert moving.center_state["centers"].any()


def test_no_optimizer_sees_the_centers(model, tx):
    state = create_state(model, tx, PAPER, SIZE, seed=0)
    centers = state.center_state["centers"]
    assert (centers.shape, centers.dtype) == ((CLASSES, 8), jnp.float32)
    shapes = {x.shape for x in jax.tree.leaves((state.params, state.opt_state))}
    assert (CLASSES, 8) not in shapes


def test_padded_rows_change_nothing(model, tx):
    step = make_train_step(model, tx, **RULE, **SETTINGS)
    batch, state = batch_of(0), create_state(model, tx, PAPER, SIZE, seed=0)
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
        state = create_state(model, tx, PAPER, SIZE, seed=0)
        # At the origin, where they start, centers pull along x: not to be seen after
        # its normalisation.
        centers = jax.random.normal(jax.random.key(0), (CLASSES, 8))
        state = state.replace(center_state={"centers": centers})
        _, metrics = step(state, batch_of(0))
        shares.append(float(metrics["center_gradient_share"]))
    odds = [share / (1 - share) for share in shares]
    np.testing.assert_allclose(odds, odds[0] * np.array([1, 10, 100]), rtol=1e-3)


def test_the_step_donates_its_state_and_compiles_once(model, tx):
    step = make_train_step(model, tx, **RULE, **SETTINGS)
    state = create_state(model, tx, PAPER, SIZE, seed=0)
    for seed in range(3):
        given = state
        state, _ = step(state, batch_of(seed))
        assert all(x.is_deleted() for x in jax.tree.leaves(given))
    assert step._cache_size() == 1


def test_training_learns(model, tx):
    step = make_train_step(model, tx, **RULE, **SETTINGS)
    state = create_state(model, tx, PAPER, SIZE, seed=0)
    ratios, losses = [], []
    for _ in range(60):
        state, metrics = step(state, batch_of(0))
        ratios.append(float(metrics["within_between_ratio"]))
        losses.append(float(metrics["identity_loss"]))
    assert losses[-1] < 0.1 * losses[0]
    assert ratios[-1] < 0.2


def test_the_embedding_is_of_unit_length_and_centers_come_near_it(model, tx):
    step = make_train_step(model, tx, **RULE, **SETTINGS)
    state = create_state(model, tx, PAPER, SIZE, seed=0)
    batch = batch_of(0)
    for _ in range(60):
        state, _ = step(state, batch)
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    features, _ = model.apply(
        variables,
        unit_range(batch["image"]),
        Rows(batch["mask"]),
        train=True,
        method="features",
        mutable=["batch_stats"],
    )
    for person in np.unique(batch["label"][batch["mask"]]):
        own = l2_normalize(features)[batch["mask"] & (batch["label"] == person)]
        assert (
            jnp.linalg.norm(own.mean(0) - state.center_state["centers"][person]) < 0.2
        )


def test_the_compiled_step_calls_nothing_on_the_host(model, tx):
    step = make_train_step(model, tx, **RULE, **SETTINGS)
    text = step.lower(
        create_state(model, tx, PAPER, SIZE, seed=0), batch_of(0)
    ).as_text()
    assert "callback" not in text


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_its_place_in_the_step(model, tx, name):
    """The step's centers are those that the rule makes of the step's embeddings."""
    rule = RULES[name]
    settings = {**RULE, "rule": rule, **SETTINGS, "center_weight": rule.weight}
    step = make_train_step(model, tx, **settings)
    state, batch = create_state(model, tx, rule, SIZE, seed=0), batch_of(0)
    before = jax.tree.map(jnp.copy, state)
    after, metrics = step(state, batch)
    assert jax.tree.structure(after) == jax.tree.structure(before)

    def head_loss(head):
        outputs = model.apply({"params": head}, x, method="outputs")
        log_p = jax.nn.log_softmax(outputs["logits"])[np.arange(8), batch["label"]]
        return -jnp.sum(log_p, where=batch["mask"])

    variables = {"params": before.params, "batch_stats": before.batch_stats}
    images = unit_range(batch["image"])
    x, _ = model.apply(
        variables,
        images,
        Rows(batch["mask"]),
        train=True,
        method="features",
        mutable=["batch_stats"],
    )
    head_grads = jax.grad(head_loss)({"logits": before.params["logits"]})
    pull = pull_of(
        before.center_state["centers"],
        l2_normalize(x),
        batch["label"],
        batch["mask"],
        optax.tree.norm(head_grads),
    )
    expected = rule.update(before.center_state, pull, 0.5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5),
        after.center_state,
        expected,
    )
    assert metrics["people_per_batch"] == len(np.unique(batch["label"][:6]))


def test_the_zoo_s_classifier_steps_by_its_share_of_one_unit(model):
    """With plain SGD of rate 1 what it moves by is the rescaled gradient."""
    rule = RULES["dl4j_zoo"]
    tx = optax.sgd(1.0)
    settings = RULE | {"rule": rule, "loss": LOSSES["mse"]} | SETTINGS
    state = create_state(model, tx, rule, SIZE, seed=0)
    before = jax.tree.map(jnp.copy, state)
    after, _ = make_train_step(model, tx, **settings)(state, batch_of(0))
    moved = jax.tree.map(
        lambda a, b: np.square(a - b).sum(),
        (before.params["logits"], before.center_state),
        (after.params["logits"], after.center_state),
    )
    assert sum(jax.tree.leaves(moved)) == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"softmax"}))
def test_every_loss_teaches(tiny, name):
    """Beside a center term, and with the head that it wants or with none."""
    loss, tx = LOSSES[name], optax.sgd(0.01, 0.9)
    model = create_model("tiny", "openface", 8, 16.0, CLASSES, head=loss.head)
    step = make_train_step(
        model,
        tx,
        **RULE | {"loss": loss, "margin": loss.margin},
        **SETTINGS | {"center_weight": 0.02},  # MSE has small gradients
    )
    state = create_state(model, tx, PAPER, SIZE, seed=0)
    assert ("logits" in state.params) == (loss.head is not None)
    rows = []
    for _ in range(40):
        state, metrics = step(state, batch_of(0))
        rows.append(metrics)
    assert rows[-1]["identity_loss"] < rows[0]["identity_loss"]
    assert rows[-1]["within_between_ratio"] < rows[1]["within_between_ratio"]
    assert ("accuracy" in metrics) == (loss.head is not None)


@pytest.mark.parametrize("name", ["softmax", "cosface"])
def test_the_step_s_loss_is_linear_in_the_label_s_smoothing(tiny, tx, name):
    loss = LOSSES[name]
    model = create_model("tiny", "openface", 8, 16.0, CLASSES, head=loss.head)
    settings = RULE | SETTINGS | {"loss": loss, "margin": loss.margin}

    def first_loss(smoothing):
        step = make_train_step(model, tx, **settings, label_smoothing=smoothing)
        state = create_state(model, tx, PAPER, SIZE, seed=0)
        return float(step(state, batch_of(0))[1]["identity_loss"])

    none, half, whole = first_loss(0.0), first_loss(0.2), first_loss(0.4)
    assert half == pytest.approx((none + whole) / 2, rel=1e-5)
    assert whole != pytest.approx(none, rel=1e-2)


def test_what_is_drawn_is_decided_by_seed_and_step(model, tx):
    loss = LOSSES["triplet_any_violator"]
    model = create_model("tiny", "openface", 8, 16.0, CLASSES, head=None)

    def losses(seed):
        step = make_train_step(
            model, tx, **RULE | {"loss": loss, "margin": 4.0, "seed": seed}, **SETTINGS
        )
        state, values = create_state(model, tx, PAPER, SIZE, seed=0), []
        for _ in range(3):
            state, metrics = step(state, batch_of(0))
            values.append(float(metrics["identity_loss"]))
        return values

    assert losses(0) == losses(0)
    assert losses(0)[0] != losses(1)[0]


def test_an_average_is_that_of_a_naive_loop(model, tx):
    """Of parameters and batch statistics, with less kept in the first steps."""
    create = make_create_state(model, tx, PAPER, SIZE, 0, averages=True)
    state = create()
    step = make_train_step(model, tx, **RULE | SETTINGS, average_decay=0.3)
    expected = jax.tree.map(np.array, state.average)
    jax.tree.map(
        np.testing.assert_array_equal,
        expected,
        {"params": state.params, "batch_stats": state.batch_stats},
    )
    for number, keep in enumerate((0.1, 2 / 11, 0.25, 0.3, 0.3)):
        state, _ = step(state, batch_of(number))
        now = {"params": state.params, "batch_stats": state.batch_stats}
        kept, new = (optax.tree.scale(*x) for x in ((keep, expected), (1 - keep, now)))
        expected = optax.tree.add(kept, new)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        state.average,
        expected,
    )


def test_without_a_decay_there_is_no_average(model, tx):
    state = create_state(model, tx, PAPER, SIZE, seed=0)
    step = make_train_step(model, tx, **RULE | SETTINGS)
    assert step(state, batch_of(0))[0].average == {}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("softmax", {"class_share": 0.8, "micro_batches": 2, "average_decay": 0.9}),
        ("arcface", {"class_share": 0.8, "skip_bad": True}),
        ("triplet_any_violator", {"micro_batches": 2}),
    ],
)
def test_every_random_key_is_used_once(tiny, tx, name, settings):
    """With dropout, and others of what a step draws; JAX looks on."""
    loss, rule = LOSSES[name], RULES["pytorch"]
    model = create_model(
        "tiny", "openface", 8, 16.0, CLASSES, head=loss.head, dropout=0.2
    )
    settings = RULE | {"loss": loss, "margin": loss.margin} | SETTINGS | settings
    with jax.debug_key_reuse(True):
        create = make_create_state(model, tx, rule, SIZE, 0, averages=True)
        state, batch = jax.eval_shape(create), jax.eval_shape(lambda: batch_of(0))
        create.lower()
        make_train_step(model, tx, **settings).lower(state, batch)
