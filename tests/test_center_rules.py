"""Six center losses: a worked example of each, naive loops, and where they diverge."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_facenet.center_rules import RULES
from cl_facenet.centers import center_loss, pull_of
from cl_facenet.losses.softmax import mean_squared_error

# Two people, three photos, two numbers each; worked in float64 by hand, with every
# source's own defaults but a weight of 1 for Sandberg, whose own is 0.
X = np.array([[0.6, 0.8], [0.8, 0.6], [0.0, 1.0]], np.float32)
LABELS = np.array([0, 0, 1])
CENTERS = jnp.array([[0.5, 0.5], [-0.2, 0.4]])
ALL = np.ones(3, bool)
KERNEL = np.array([[0.1, -0.2], [0.3, 0.05]], np.float32)  # of the classifier

# What the rule's term is, of a batch whose identity loss is a mean ...
TERM = {
    "caffe_face": 0.000800,
    "sandberg": 0.100000,
    "pytorch": 0.200000,
    "dl4j": 0.000020,
}
# ... its gradient to the first photo's x ...
GRADIENT = {
    "caffe_face": [0.000267, 0.000800],
    "sandberg": [0.033333, 0.100000],
    "pytorch": [0.066667, 0.200000],
    "dl4j": [6.666667e-6, 2e-5],
}
# ... and the centers after the step.
AFTER = {
    "paper": [[0.566667, 0.566667], [-0.150000, 0.550000]],
    "caffe_face": [[0.513283, 0.513283], [-0.189980, 0.429960]],
    "sandberg": [[0.520000, 0.520000], [-0.190000, 0.430000]],
    "pytorch": [[0.633333, 0.633333], [-0.133333, 0.600000]],
    "dl4j": [[0.502222, 0.502222], [-0.198333, 0.405000]],
    "dl4j_zoo": [[0.724896, 0.724896], [-0.031328, 0.906015]],
}


def state_of(name, centers=CENTERS):
    """A center state at these centers, at rest."""
    state = RULES[name].init(jax.random.key(0), *centers.shape)
    return state | {"centers": jnp.asarray(centers)}


def identity_loss(kernel, bias, x):
    """The tutorial's: squared errors of a softmax."""
    return mean_squared_error(x @ kernel + bias, LABELS, ALL)


def head_norm():
    """Length of the batch's gradient to the classifier, as the zoo's rule sums it."""
    grads = jax.grad(identity_loss, (0, 1))(KERNEL, jnp.zeros(2), X)
    return 3 * jnp.sqrt(sum(jnp.sum(g**2) for g in grads))


def term_of(name, x, weight=None):
    rule = RULES[name]
    weight = rule.weight if weight is None else weight
    return rule.to_lambda(weight, 2) * center_loss(x, CENTERS[LABELS], ALL)


@pytest.mark.parametrize("name", TERM)
def test_the_worked_terms(name):
    weight = 1.0 if name == "sandberg" else None
    assert term_of(name, X, weight) == pytest.approx(TERM[name], abs=5e-7)
    gradient = jax.grad(lambda x: term_of(name, x, weight))(X)
    np.testing.assert_allclose(gradient[0], GRADIENT[name], atol=5e-7)


def test_the_worked_term_of_the_paper():
    """It sums over the batch where ours is a mean."""
    assert 3 * term_of("paper", X) == pytest.approx(0.0009, abs=5e-7)
    gradient = 3 * jax.grad(lambda x: term_of("paper", x))(X)
    np.testing.assert_allclose(gradient[0], [0.0003, 0.0009], atol=5e-7)


def test_the_worked_term_of_the_zoo():
    """With its MSE, whose .214656 leaves the center term a share of 0.005 %."""

    def total(x):
        return identity_loss(KERNEL, jnp.zeros(2), x) + term_of("dl4j_zoo", x)

    assert identity_loss(KERNEL, 0.0, X) == pytest.approx(0.214656, abs=1e-6)
    assert total(X) == pytest.approx(0.214666, abs=1e-6)
    np.testing.assert_allclose(jax.grad(total)(X)[0], [-0.019587, -0.016315], atol=1e-6)


@pytest.mark.parametrize("name", RULES)
def test_the_worked_updates(name):
    rule = RULES[name]
    pull = pull_of(CENTERS, X, LABELS, ALL, head_norm())
    state = rule.update(state_of(name), pull, rule.alpha)
    np.testing.assert_allclose(state["centers"], AFTER[name], rtol=0, atol=1e-6)


def test_the_worked_second_step_of_caffe_face():
    """It goes on by its momentum."""
    rule, state = RULES["caffe_face"], state_of("caffe_face")
    for _ in range(2):
        pull = pull_of(state["centers"], X, LABELS, ALL, 0.0)
        state = rule.update(state, pull, rule.alpha)
    np.testing.assert_allclose(
        state["centers"],
        [[0.537635, 0.537635], [-0.171444, 0.485383]],
        rtol=0,
        atol=1e-6,
    )


def test_the_worked_length_of_the_zoo_s_layer():
    rule = RULES["dl4j_zoo"]
    pull = pull_of(CENTERS, X, LABELS, ALL, head_norm())
    assert rule.layer_norm(pull, rule.alpha) == pytest.approx(0.533581, abs=1e-6)


def test_the_zoo_s_layer_moves_by_one_unit_together():
    rule = RULES["dl4j_zoo"]
    pull = pull_of(CENTERS, X, LABELS, ALL, head_norm())
    grads = jax.grad(identity_loss, (0, 1))(KERNEL, jnp.zeros(2), X)
    scaled = rule.head_gradients(grads, pull, rule.alpha)
    step = rule.update(state_of("dl4j_zoo"), pull, rule.alpha)["centers"] - CENTERS
    total = sum(np.square(part).sum() for part in (*scaled, step))
    assert total == pytest.approx(1.0, rel=1e-5)
    np.testing.assert_allclose(
        scaled[0], np.array([[-1, 1], [0, 0]]) * 0.5117, atol=7e-3
    )


@pytest.mark.parametrize("name", sorted(set(RULES) - {"dl4j_zoo"}))
def test_the_others_leave_the_classifier_alone(name):
    grads = {"kernel": jnp.ones(3)}
    pull = pull_of(CENTERS, X, LABELS, ALL, 1.0)
    assert RULES[name].head_gradients(grads, pull, 0.5) is grads


def test_where_nothing_pulls_the_zoo_stays():
    """A layer's length of 0 is taken for 1e-5, and nothing is divided by zero."""
    x = np.array([[0.5, 0.5]], np.float32)
    pull = pull_of(CENTERS, x, np.array([0]), np.ones(1, bool), 0.0)
    after = RULES["dl4j_zoo"].update(state_of("dl4j_zoo"), pull, 0.9)
    np.testing.assert_array_equal(after["centers"], CENTERS)


def test_where_the_centers_start():
    states = {
        name: rule.init(jax.random.key(0), 400, 12) for name, rule in RULES.items()
    }
    for name in ("paper", "sandberg", "dl4j", "dl4j_zoo"):
        np.testing.assert_array_equal(states[name]["centers"], np.zeros((400, 12)))
    uniform = states["caffe_face"]["centers"]
    assert 0.49 < np.abs(uniform).max() <= (3 / 12) ** 0.5  # Caffe's xavier
    assert uniform.std() == pytest.approx(0.5 / np.sqrt(3), rel=0.03)
    normal = states["pytorch"]["centers"]
    assert (normal.mean(), normal.std()) == pytest.approx((0, 1), abs=0.05)
    assert set(states["caffe_face"]) == {"centers", "velocity"}
    np.testing.assert_array_equal(states["caffe_face"]["velocity"], 0 * uniform)
    assert all(set(states[n]) == {"centers"} for n in RULES if n != "caffe_face")


def naive(name, centers, velocity, x, labels, mask, alpha, head):
    """One person after another, photo by photo, in float64, from the sources."""
    centers, x = np.array(centers, np.float64), np.asarray(x, np.float64)
    real = [i for i in range(len(x)) if mask[i]]
    total, count = np.zeros_like(centers), np.zeros(len(centers))
    for i in real:
        total[labels[i]] += centers[labels[i]] - x[i]
        count[labels[i]] += 1
    averaged = total / (1 + count)[:, None]
    if name == "caffe_face":
        velocity = 0.9 * velocity + alpha * (averaged + 2 * 5e-4 * centers)
        return centers - velocity, velocity
    if name == "dl4j_zoo":
        step = alpha * averaged
        length = np.sqrt(head**2 + np.sum(step**2))
        return centers - step / (length if length > 0 else 1e-5), velocity
    step = {
        "paper": alpha * averaged,
        "sandberg": alpha * total,
        "pytorch": alpha * 2 * total / max(len(real), 1),
        "dl4j": alpha * averaged / max(len(real), 1),
    }[name]
    return centers - step, velocity


@st.composite
def batches(draw):
    people, rows = draw(st.sampled_from([(1, 1), (3, 7), (6, 12), (5, 2)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    return {
        "centers": rng.normal(size=(people, 3)).astype(np.float32),
        "velocity": rng.normal(size=(people, 3)).astype(np.float32),
        "x": rng.normal(size=(rows, 3)).astype(np.float32),
        "labels": rng.integers(0, people, rows).astype(np.int32),
        "mask": rng.random(rows) < draw(st.sampled_from([0.0, 0.5, 1.0])),
        "alpha": draw(st.sampled_from([0.05, 0.5, 1.0])),
        "head": draw(st.sampled_from([0.0, 0.3])),
    }


@partial(jax.jit, static_argnums=0)
def follow(name, state, x, labels, mask, head_norm, alpha):
    """One step of a rule."""
    pull = pull_of(state["centers"], x, labels, mask, head_norm)
    return RULES[name].update(state, pull, alpha)


def update(name, b, x=None):
    """The rule on a drawn batch."""
    state = state_of(name, b["centers"])
    if RULES[name].velocity:
        state["velocity"] = jnp.asarray(b["velocity"])
    x = b["x"] if x is None else x
    return follow(name, state, x, b["labels"], b["mask"], b["head"], b["alpha"])


@pytest.mark.parametrize("name", RULES)
@given(batch=batches())
def test_every_rule_is_its_naive_loop(name, batch):
    state = update(name, batch)
    centers, velocity = naive(name, **batch)
    np.testing.assert_allclose(state["centers"], centers, atol=1e-5)
    if "velocity" in state:
        np.testing.assert_allclose(state["velocity"], velocity, atol=1e-5)


@pytest.mark.parametrize("name", RULES)
@given(batch=batches())
def test_padded_rows_say_nothing(name, batch):
    junk = np.where(batch["mask"][:, None], batch["x"], 1e9).astype(np.float32)
    jax.tree.map(
        np.testing.assert_array_equal, update(name, batch), update(name, batch, junk)
    )


@pytest.mark.parametrize("name", RULES)
@given(batch=batches())
def test_only_caffe_face_moves_who_is_absent(name, batch):
    after = update(name, batch)["centers"]
    absent = np.setdiff1d(
        np.arange(len(batch["centers"])), batch["labels"][batch["mask"]]
    )
    still = batch["centers"][absent]
    if name == "caffe_face":  # coasting, and decaying
        expected = 0.9 * batch["velocity"][absent] + batch["alpha"] * 1e-3 * still
        np.testing.assert_allclose(after[absent], still - expected, atol=1e-6)
    else:
        np.testing.assert_array_equal(after[absent], still)


@pytest.mark.parametrize("name", sorted(set(RULES) - {"caffe_face"}))
def test_a_rule_touches_the_rows_of_its_batch_only(name):
    """In place, with no other array that is as long as the people."""
    people, rule = 54_321, RULES[name]

    def step(state):
        return rule.update(state, pull_of(state["centers"], X, LABELS, ALL, 0.1), 0.5)

    state = {"centers": jnp.zeros((people, 2))}
    compiled = jax.jit(step, donate_argnums=0).lower(state).compile()
    memory = compiled.memory_analysis()
    assert memory.temp_size_in_bytes < people
    assert memory.alias_size_in_bytes == people * 2 * 4


def distances(name, photos, alpha, steps=60, others=0):
    """How far a center is from its person, who has n photos in every batch."""
    rule, centers = RULES[name], jnp.zeros((1 + others, 2))
    state = {"centers": centers.at[0].set(50.0)}
    if rule.velocity:
        state["velocity"] = 0 * centers
    labels = np.repeat(np.arange(1 + others), [photos, *[1] * others])
    x = np.ones((len(labels), 2), np.float32)
    lengths = []
    for _ in range(steps):
        state = follow(name, state, x, labels, np.ones(len(labels), bool), 0.0, alpha)
        lengths.append(float(jnp.linalg.norm(state["centers"][0] - 1)))
    return np.array(lengths)


@pytest.mark.parametrize(
    ("photos", "alpha", "runs_away"),
    [(19, 0.1, False), (21, 0.1, True), (39, 0.05, False), (41, 0.05, True)],
)
def test_sandberg_s_centers_run_away_from_n_alpha_of_2(photos, alpha, runs_away):
    """Each step multiplies the gap by 1 - alpha n, whose size is above 1 from there."""
    gaps = distances("sandberg", photos, alpha)
    expected = abs(1 - alpha * photos)
    np.testing.assert_allclose(gaps[1:] / gaps[:-1], expected, rtol=1e-2)
    assert (gaps[-1] > gaps[0]) == runs_away


@pytest.mark.parametrize("photos", [1, 21, 41, 200])
@pytest.mark.parametrize(
    ("name", "alpha"),
    [
        *(("paper", 0.5), ("paper", 1.0), ("caffe_face", 0.1), ("pytorch", 0.5)),
        *(("pytorch", 0.9), ("dl4j", 0.05), ("dl4j", 1.0)),
    ],
)
def test_the_others_do_not_however_many_photos(name, photos, alpha):
    gaps = distances(name, photos, alpha, steps=300)
    assert gaps.max() < np.hypot(49, 49)  # where it began
    assert gaps[-1] <= gaps[0]


def test_pytorch_s_own_run_away_from_alpha_of_1_in_a_batch_of_one_person():
    """1 - 2 alpha n / B: there n is B. With as many others it is at rest by then."""
    assert distances("pytorch", 10, 1.05)[-1] > 1e3
    assert distances("pytorch", 10, 1.05, others=10)[-1] < 1e-2


def test_the_zoo_circles_at_a_distance_of_about_its_unit_step():
    """Its step has no length to shrink to: near its person it goes past it."""
    gaps = distances("dl4j_zoo", 4, 0.9, steps=200)
    assert gaps[40] == pytest.approx(np.hypot(49, 49) - 41, abs=1e-2)
    np.testing.assert_allclose(gaps[-10:].max(), 0.5, atol=0.5)
    assert gaps[-10:].min() > 1e-3
