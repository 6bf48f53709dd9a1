"""The train state, and the one train step: two updates beside each other."""

from collections.abc import Callable
from typing import Any, Protocol

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
from cl_facenet.compiling import jit
from cl_facenet.losses import Given, Loss
from cl_facenet.models.facenet import FaceNet, unit_range
from cl_facenet.params import HEAD
from cl_facenet.prng import RBG_IN_BLOCKS

Batch = dict[str, jax.Array]  # image uint8 [B, S, S, 3], label int32 [B], mask bool [B]
Metrics = dict[str, jax.Array]  # float32 scalars

JOINED_BELOW = 2**16  # numbers in an array, for norms


@flax.struct.dataclass
class TrainState:
    """All that training carries from step to step, and all that a checkpoint holds.

    `center_state` has the float32 [classes, dims] `centers`, which move by their own
    rule, never by optax.
    """

    step: jax.Array
    params: Any
    batch_stats: Any
    opt_state: optax.OptState
    center_state: CenterState


class TrainStep(Protocol):
    """A jitted train step."""

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
) -> Callable[[], TrainState]:
    """The jitted function without arguments that gives the state at step 0."""
    num_classes = model.num_classes
    if num_classes is None:
        raise ValueError("a model without people has no centers to train")

    def create() -> TrainState:
        images = jnp.zeros((1, image_size, image_size, 3), jnp.float32)
        key = jax.random.key(seed, impl=RBG_IN_BLOCKS)
        variables = model.init(key, images)
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=variables["params"],
            batch_stats=variables.get("batch_stats", {}),
            opt_state=tx.init(variables["params"]),
            center_state=rule.init(
                jax.random.fold_in(key, 1), num_classes, model.embedding_size
            ),
        )

    return jax.jit(create)


def abstract_batch(batch_size: int, image_size: int) -> dict[str, Any]:
    """The shapes and types of what the train step takes."""
    shape = (batch_size, image_size, image_size, 3)
    return {
        "image": jax.ShapeDtypeStruct(shape, jnp.uint8),
        "label": jax.ShapeDtypeStruct((batch_size,), jnp.int32),
        "mask": jax.ShapeDtypeStruct((batch_size,), jnp.bool_),
    }


def make_train_step(
    model: FaceNet,
    tx: optax.GradientTransformation,
    *,
    loss: Loss,
    margin: float,
    rule: Rule,
    center_weight: float,
    center_alpha: float,
    center_on: str,
    seed: int,
) -> TrainStep:
    """The jitted step. It donates its state: use the one it returns.

    Loss = identity loss + lambda * half the mean ||x - c||^2, with the centers as they
    were before the step and lambda what the rule makes of center_weight; then optax
    moves the parameters and the rule moves the centers. x is the unit `embedding` or
    the `features` before it. What is drawn at random in a step is decided by `seed`
    and the step's number.

    The backward pass is in two parts, because what each term sends back is wanted by
    itself: both terms to the features, then their sum through the network.
    """
    center_lambda = rule.to_lambda(center_weight, model.embedding_size)

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        images, labels, mask = unit_range(batch["image"]), batch["label"], batch["mask"]
        head = {name: tree for name, tree in state.params.items() if name == HEAD}
        body = {name: tree for name, tree in state.params.items() if name != HEAD}
        centers = state.center_state["centers"]
        key = jax.random.fold_in(jax.random.key(seed), state.step)

        def features_of(body: Any) -> tuple[jax.Array, Any]:
            features, updates = model.apply(
                {"params": body, "batch_stats": state.batch_stats},
                images,
                mask,
                train=True,
                method="features",
                mutable=["batch_stats"],
                rngs={"dropout": key},
            )
            return features, updates.get("batch_stats", {})

        def identity_term(head: Any, features: jax.Array) -> tuple[jax.Array, Metrics]:
            outputs: Any = model.apply({"params": head}, features, method="outputs")
            return loss.term(Given(outputs, labels, mask, state.step, key), margin)

        def pulled(features: jax.Array) -> jax.Array:
            return model.normalize(features) if center_on == "embedding" else features

        def center_term(features: jax.Array) -> jax.Array:
            x = pulled(features)
            return center_lambda * center_loss(x, centers[labels], mask)

        features, pull_back, batch_stats = jax.vjp(features_of, body, has_aux=True)
        (identity, seen), (head_grads, identity_grad) = jax.value_and_grad(
            identity_term, argnums=(0, 1), has_aux=True
        )(head, features)
        center, center_grad = jax.value_and_grad(center_term)(features)
        (body_grads,) = pull_back(identity_grad + center_grad)

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
            "people_per_batch": jnp.sum(pull.count_p > 0),
            "gradient_norm": _norm(grads),
            "parameter_norm": _norm(params),  # after the step
        }
        state = TrainState(state.step + 1, params, batch_stats, opt_state, center_state)
        return state, metrics | seen

    return jit(train_step, donate_argnums=0)


def _norm(tree: Any) -> jax.Array:
    """Length of all arrays of a tree as one vector.

    All but the largest are joined first: as many sums as arrays would be a third of
    all that there is to compile in a step.
    """
    arrays = [x.ravel() for x in jax.tree.leaves(tree)]
    small = [x for x in arrays if x.size < JOINED_BELOW]
    joined = jnp.concatenate([jnp.zeros(0), *small])  # of nothing, where there is none
    apart = [x for x in arrays if x.size >= JOINED_BELOW]
    return jnp.sqrt(sum(jnp.vdot(x, x) for x in (joined, *apart)))


def _share(one: jax.Array, other: jax.Array) -> jax.Array:
    """Of two gradients' lengths, what share of their sum is that of the one."""
    one_norm, other_norm = jnp.linalg.norm(one), jnp.linalg.norm(other)
    return one_norm / (one_norm + other_norm)
