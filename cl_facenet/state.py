"""The train state, and the one train step: two updates beside each other."""

from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from cl_facenet.centers import RULES, center_loss, within_between_ratio
from cl_facenet.losses import LOSSES
from cl_facenet.models.facenet import FaceNet, unit_range

Batch = dict[str, jax.Array]  # image uint8 [B, S, S, 3], label int32 [B], mask bool [B]
Metrics = dict[str, jax.Array]  # float32 scalars


@flax.struct.dataclass
class TrainState:
    """All that training carries from step to step, and all that a checkpoint holds.

    `centers` is float32 [classes, dims]; it moves by its own rule, never by optax.
    """

    step: jax.Array
    params: Any
    batch_stats: Any
    opt_state: optax.OptState
    centers: jax.Array


TrainStep = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]


def create_state(
    model: FaceNet, tx: optax.GradientTransformation, image_size: int, seed: int
) -> TrainState:
    """A state at step 0: random parameters, centers at the origin."""

    def create() -> TrainState:
        images = jnp.zeros((1, image_size, image_size, 3), jnp.float32)
        # Threefry, the default, would take three times as long to compile here.
        key = jax.random.key(seed, impl="rbg")
        variables = model.init(key, images, train=True)
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=variables["params"],
            batch_stats=variables.get("batch_stats", {}),
            opt_state=tx.init(variables["params"]),
            centers=jnp.zeros((model.num_classes, model.embedding_size), jnp.float32),
        )

    return jax.jit(create)()


def make_train_step(
    model: FaceNet,
    tx: optax.GradientTransformation,
    *,
    loss: str,
    center_weight: float,
    center_alpha: float,
    center_rule: str,
    center_on: str,
) -> TrainStep:
    """The jitted step. It donates its state: use the one it returns.

    Loss = identity loss + center_weight * half the mean ||x - c||^2, with the centers
    as they were before the step; then optax moves the parameters and the center rule
    moves the centers. x is the unit `embedding` or the `features` before it.

    The backward pass is in two parts, because what each term sends back is wanted by
    itself: both terms to the features, then their sum through the network.
    """
    identity_loss, update_centers = LOSSES[loss], RULES[center_rule]
    pulled = {"embedding": model.normalize, "features": lambda features: features}[
        center_on
    ]

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        images, labels, mask = unit_range(batch["image"]), batch["label"], batch["mask"]
        head = {"logits": state.params["logits"]}
        body = {name: state.params[name] for name in state.params if name not in head}

        def features_of(body: Any) -> tuple[jax.Array, Any]:
            features, updates = model.apply(
                {"params": body, "batch_stats": state.batch_stats},
                images,
                mask,
                train=True,
                method="features",
                mutable=["batch_stats"],
                rngs={"dropout": jax.random.fold_in(jax.random.key(0), state.step)},
            )
            return features, updates.get("batch_stats", {})

        def identity_term(
            head: Any, features: jax.Array
        ) -> tuple[jax.Array, jax.Array]:
            logits: Any = model.apply({"params": head}, features, method="classify")
            return identity_loss(logits, labels, mask), logits

        def center_term(features: jax.Array) -> jax.Array:
            return center_weight * center_loss(pulled(features), own_centers, mask)

        features, pull_back, batch_stats = jax.vjp(features_of, body, has_aux=True)
        own_centers = state.centers[labels]
        (identity, logits), (head_grads, identity_grad) = jax.value_and_grad(
            identity_term, argnums=(0, 1), has_aux=True
        )(head, features)
        center, center_grad = jax.value_and_grad(center_term)(features)
        (body_grads,) = pull_back(identity_grad + center_grad)

        grads = body_grads | head_grads
        updates, opt_state = tx.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        x = pulled(features)
        centers, movement = update_centers(
            state.centers, x, labels, mask, alpha=center_alpha
        )
        identity_norm, center_norm = map(jnp.linalg.norm, (identity_grad, center_grad))
        metrics = {
            "loss": identity + center,
            f"{loss}_loss": identity,
            "center_loss": center,
            "accuracy": jnp.mean(logits.argmax(-1) == labels, where=mask),
            "center_gradient_share": center_norm / (identity_norm + center_norm),
            "center_movement": movement,
            "within_between_ratio": within_between_ratio(x, own_centers, labels, mask),
            "people_per_batch": count_people(labels, mask),
            "gradient_norm": optax.tree.norm(grads),
            "parameter_norm": optax.tree.norm(params),  # after the step
        }
        state = TrainState(
            step=state.step + 1,
            params=params,
            batch_stats=batch_stats,
            opt_state=opt_state,
            centers=centers,
        )
        return state, metrics

    return jax.jit(train_step, donate_argnums=0)


def count_people(labels: jax.Array, mask: jax.Array) -> jax.Array:
    """How many different people labels [B] have where mask [B] holds: a scalar."""
    nobody = -1
    in_order = jnp.sort(jnp.where(mask, labels, nobody))
    return jnp.sum(jnp.diff(in_order, prepend=nobody) != 0)
