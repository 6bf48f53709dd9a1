"""The train state, and the one train step: two updates beside each other."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, cast

import flax.struct
import jax
import jax.numpy as jnp
import optax

from cl_facenet.center_rules import Rule
from cl_facenet.centers import (
    CenterState,
    center_loss,
    movement,
    pull_of,
    within_between_ratio,
)
from cl_facenet.collapse import effective_rank
from cl_facenet.losses import Given, Loss
from cl_facenet.losses.class_sampling import narrow, number_sampled, sample_classes
from cl_facenet.models.facenet import FaceNet, unit_range
from cl_facenet.models.rows import Rows
from cl_facenet.params import HEAD
from cl_facenet.prng import HASHED
from cl_facenet.sharding import (
    GlobalView,
    Layout,
    placed,
    rows_sharding,
    state_shardings,
)

Batch = dict[str, jax.Array]  # image uint8 [B, S, S, 3], label int32 [B], mask bool [B]
Metrics = dict[str, jax.Array]  # float32 scalars

ONE_DEVICE = GlobalView()

JOINED_BELOW = 2**16  # numbers in an array, for norms


@flax.struct.dataclass
class TrainState:
    """All that training carries from step to step, and all that a checkpoint holds.

    `center_state` has the float32 [classes, dims] `centers`, which move by their own
    rule, never by optax. `average` is empty, or has `params` and `batch_stats` averaged
    over the steps.
    """

    step: jax.Array
    params: Any
    batch_stats: Any
    opt_state: optax.OptState
    center_state: CenterState
    average: Any


class TrainStep(Protocol):
    """A jitted train step."""

    __wrapped__: Callable[[Any, Any], tuple[Any, Any]]  # what is traced

    def __call__(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        """The state after the step, and what there is to be seen of it."""

    def lower(self, state: Any, batch: Any) -> Any:
        """Traces it for arguments of these shapes; they may be abstract."""


def create_state(
    model: FaceNet,
    tx: optax.GradientTransformation,
    rule: Rule,
    image_size: int,
    seed: int,
) -> TrainState:
    """A state at step 0: random parameters, centers as the rule starts them."""
    return make_create_state(model, tx, rule, image_size, seed)()


def make_create_state(
    model: FaceNet,
    tx: optax.GradientTransformation,
    rule: Rule,
    image_size: int,
    seed: int,
    layout: Layout = ONE_DEVICE,
    averages: bool = False,
) -> Callable[[], TrainState]:
    """The jitted function without arguments that gives the state at step 0."""
    num_classes = model.num_classes
    if num_classes is None:
        raise ValueError("a model without people has no centers to train")

    def create() -> TrainState:
        images = jnp.zeros((1, image_size, image_size, 3), jnp.float32)
        key = jax.random.key(seed, impl=HASHED)
        variables: Any = {"batch_stats": {}, **model.init(key, images)}
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=variables["params"],
            batch_stats=variables["batch_stats"],
            average=variables if averages else {},
            opt_state=tx.init(variables["params"]),
            center_state=_spared(
                rule.init(
                    jax.random.fold_in(key, 1), num_classes, model.embedding_size
                ),
                model.spare_columns,
            ),
        )

    if layout.mesh is None:
        return jax.jit(create)
    where = state_shardings(layout, jax.eval_shape(create))
    return jax.jit(create, out_shardings=where)


def abstract_state(create: Callable[[], TrainState], layout: Layout) -> TrainState:
    """Shapes, types and places of a state, without making it."""
    return placed(layout, jax.eval_shape(create))


def _spared(center_state: CenterState, spare: int) -> CenterState:
    """With rows of zeros behind, for what is nobody's in the classifier."""
    return {k: jnp.pad(x, ((0, spare), (0, 0))) for k, x in center_state.items()}


def abstract_batch(
    room: int, image_size: int, layout: Layout = ONE_DEVICE
) -> dict[str, Any]:
    """The shapes, types and places of what the train step takes."""
    place = rows_sharding(layout)

    def rows(dtype: Any, *shape: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((room, *shape), dtype, sharding=place)

    return {
        "image": rows(jnp.uint8, image_size, image_size, 3),
        "label": rows(jnp.int32),
        "mask": rows(jnp.bool_),
    }


def make_train_step(
    model: FaceNet,
    tx: optax.GradientTransformation,
    *,
    loss: Loss,
    margin: float,
    label_smoothing: float = 0.0,
    rule: Rule,
    center_weight: float,
    center_alpha: float,
    center_on: str,
    seed: int,
    micro_batches: int = 1,
    class_share: float = 1.0,
    skip_bad: bool = False,
    average_decay: float = 0.0,
    layout: Layout = ONE_DEVICE,
) -> TrainStep:
    """The jitted step. It donates its state: use the one it returns.

    Loss = identity loss + lambda * half the mean ||x - c||^2, with the centers as they
    were before the step and lambda the center_weight; then optax moves the parameters
    and the rule moves the centers. x is the unit `embedding` or
    the `features` before it. What is drawn at random in a step is decided by `seed`
    and the step's number.

    The backward pass is in two parts, because what each term sends back is wanted by
    itself: both terms to the features, then their sum through the network. The network
    is what needs memory: a batch may go through it in `micro_batches` parts, whose
    maps are computed a second time for the gradient, and its rows may be on several
    devices. The losses and the centers see the whole batch always.

    With a `class_share` below 1 the classifier is of so large a share of the people, in
    every step those of the batch and others at random. With `skip_bad` a step whose
    loss or gradient is not finite leaves all but the step's number as it was.
    `average_decay` is that of a state with an average.
    """

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        head = {name: tree for name, tree in state.params.items() if name == HEAD}
        body = {name: tree for name, tree in state.params.items() if name != HEAD}
        centers = state.center_state["centers"]
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        dropout_key, classes_key, loss_key = jax.random.split(key, 3)

        def features_of(body: Any) -> tuple[jax.Array, Any]:
            def part(images: jax.Array, mask: jax.Array, key: jax.Array) -> Any:
                features, updates = model.apply(
                    {"params": body, "batch_stats": state.batch_stats},
                    unit_range(images),
                    Rows(mask, layout.rows_axis),
                    train=True,
                    method="features",
                    mutable=["batch_stats"],
                    rngs={"dropout": key},
                )
                return features, updates.get("batch_stats", {})

            own_key = layout.key(dropout_key)
            return in_parts(part, batch["image"], batch["mask"], own_key, micro_batches)

        def identity_term(head: Any, features: jax.Array) -> tuple[jax.Array, Metrics]:
            classifier, own = model, labels
            if class_share < 1:
                classifier, head, own = _sampled(
                    model, head, labels, mask, classes_key, class_share
                )
            outputs: Any = classifier.apply(
                {"params": head}, features, method="outputs"
            )
            given = Given(outputs, own, mask, state.step, loss_key, label_smoothing)
            return loss.term(given, margin)

        def pulled(features: jax.Array) -> jax.Array:
            return model.normalize(features) if center_on == "embedding" else features

        def center_term(features: jax.Array) -> jax.Array:
            x = pulled(features)
            return center_weight * center_loss(x, centers[labels], mask)

        features, pull_back, batch_stats = jax.vjp(features_of, body, has_aux=True)
        features, labels, mask = layout.whole((features, batch["label"], batch["mask"]))
        (identity, seen), (head_grads, identity_grad) = jax.value_and_grad(
            identity_term, argnums=(0, 1), has_aux=True
        )(head, features)
        center, center_grad = jax.value_and_grad(center_term)(features)
        body_grads = layout.total(*pull_back(layout.own(identity_grad + center_grad)))
        batch_stats = layout.mean(batch_stats, weight=batch["mask"].sum())

        x = pulled(features)
        head_norm = jnp.maximum(mask.sum(), 1) * _norm(head_grads)
        pull = pull_of(centers, x, labels, mask, head_norm)
        center_state = rule.update(state.center_state, pull, center_alpha)
        grads = body_grads | rule.head_gradients(head_grads, pull, center_alpha)
        updates, opt_state = tx.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics = {
            "loss": identity + center,
            "identity_loss": identity,
            "center_loss": center,
            "center_gradient_share": _share(center_grad, identity_grad),
            "center_movement": movement(centers, center_state["centers"], pull),
            "within_between_ratio": within_between_ratio(
                x, centers[labels], labels, mask
            ),
            "effective_rank": effective_rank(x, mask),
            "people_per_batch": jnp.sum(pull.count_p > 0),
            "gradient_norm": _norm(grads),
            "parameter_norm": _norm(params),  # after the step
        }
        variables = {"params": params, "batch_stats": batch_stats}
        after = TrainState(
            state.step + 1,
            **variables,
            opt_state=opt_state,
            center_state=center_state,
            average=moved_average(state.average, variables, state.step, average_decay)
            if state.average
            else {},
        )
        if skip_bad:
            is_good = jnp.isfinite(metrics["loss"] + metrics["gradient_norm"])
            kept = dataclasses.replace(state, step=after.step)
            after = jax.tree.map(partial(jnp.where, is_good), after, kept)
        return layout.keep(after), metrics | seen

    return layout.compile(train_step)


def moved_average(average: Any, now: Any, step: jax.Array, decay: float) -> Any:
    """decay * average + (1 - decay) * now; less is kept in the first steps.

    There it is (1 + step) / (10 + step), as of TensorFlow's ExponentialMovingAverage:
    what a random start was has faded before the training ends.
    """
    keep = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda a, x: x + keep * (a - x), average, now)


def _sampled(
    model: FaceNet,
    head: Any,
    labels: jax.Array,
    mask: jax.Array,
    key: jax.Array,
    share: float,
) -> tuple[FaceNet, Any, jax.Array]:
    """The classifier of some people: a model of so many, its head, their labels."""
    num_classes = cast(int, model.num_classes)
    number = number_sampled(num_classes, len(labels), share)
    classes = sample_classes(key, labels, mask, num_classes=num_classes, number=number)
    head, own = narrow(head, labels, classes)
    return model.clone(num_classes=number, spare_columns=0), head, own


def in_parts(
    function: Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, Any]],
    images: jax.Array,
    mask: jax.Array,
    key: jax.Array,
    parts: int,
) -> tuple[jax.Array, Any]:
    """function(images, mask, key) of a batch [B, ...], some of its rows at a time.

    Rows i, i + parts, i + 2 parts... are a part, and nothing of one is kept for the
    gradient but where it began. Its second result, the batch statistics, becomes the
    mean of the parts', weighted by how many of their rows are real.
    """
    if parts == 1:
        return function(images, mask, key)

    def apart(x: jax.Array) -> jax.Array:
        return x.reshape(-1, parts, *x.shape[1:]).swapaxes(0, 1)

    def one(_: None, given: Any) -> tuple[None, Any]:
        return None, function(*given)

    masks = apart(mask)
    given = apart(images), masks, jax.random.split(key, parts)
    _, (values, statistics) = jax.lax.scan(jax.checkpoint(one), None, given)
    share = masks.sum(1) / jnp.maximum(mask.sum(), 1)
    mean = jax.tree.map(
        lambda x: jnp.tensordot(share, x, 1, precision="highest"), statistics
    )
    return values.swapaxes(0, 1).reshape(len(mask), *values.shape[2:]), mean


def _norm(params: Any) -> jax.Array:
    """Length of all parameters, or of gradients to them, as one vector.

    Those of the head are summed where they lie: to join them is to gather, on every
    device, what is split over all. The network's small ones are joined first: as many
    sums as arrays would be a third of all that there is to compile in a step.
    """
    head = {name: tree for name, tree in params.items() if name == HEAD}
    network = [
        x for n, tree in params.items() if n != HEAD for x in jax.tree.leaves(tree)
    ]
    small = [x.ravel() for x in network if x.size < JOINED_BELOW]
    joined = jnp.concatenate([jnp.zeros(0), *small])  # of nothing, where there is none
    large = [x for x in network if x.size >= JOINED_BELOW]
    return optax.tree.norm([head, joined, large])


def _share(one: jax.Array, other: jax.Array) -> jax.Array:
    """Of two gradients' lengths, what share of their sum is that of the one."""
    one_norm, other_norm = jnp.linalg.norm(one), jnp.linalg.norm(other)
    return one_norm / (one_norm + other_norm)
