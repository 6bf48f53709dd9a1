"""From the `optimizer` section of a config to an optax gradient transformation."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cl_facenet.params import HEAD

SCHEDULES = ("cosine", "constant", "step")
# Where schedule `step` multiplies, as shares of a training, and by what: 16,000 and
# 24,000 of the 28,000 steps of the center loss's authors.
STEPS, STEP_FACTOR = (16 / 28, 24 / 28), 0.1


class Own(NamedTuple):
    """An optimizer's own numbers; None: it has no such number."""

    weight_decay: float
    momentum: float | None = None
    epsilon: float | None = None


OPTIMIZERS = {
    "adam": Own(0.05, epsilon=1e-8),  # AdamW's, as vision networks are trained by it
    "adam_dl4j": Own(5e-5, epsilon=1e-8),  # the decay is the tutorial's
    "sgd": Own(5e-4, momentum=0.9),  # caffe-face's
    "adagrad": Own(0.0),  # FaceNet's, of which no decay is told
}


def make_schedule(
    name: str,
    learning_rate: float,
    *,
    num_steps: int,
    warmup_steps: int,
    decay_steps: tuple[int, ...],
    decay_factor: float,
) -> optax.Schedule:
    """Learning rate against step: one of SCHEDULES, after a linear warm-up from 0.

    `cosine` ends at 0 after num_steps; `step` multiplies by decay_factor at each of
    decay_steps.
    """
    after = max(num_steps - warmup_steps, 1)
    boundaries = {step - warmup_steps: decay_factor for step in decay_steps}
    schedule = {
        "cosine": optax.cosine_decay_schedule(learning_rate, after),
        "constant": optax.constant_schedule(learning_rate),
        "step": optax.piecewise_constant_schedule(learning_rate, boundaries),
    }[name]
    warmup = optax.linear_schedule(0.0, learning_rate, max(warmup_steps, 1))
    return optax.join_schedules([warmup, schedule], [warmup_steps])


def make_optimizer(
    name: str,
    schedule: optax.Schedule,
    *,
    momentum: float,
    epsilon: float,
    weight_decay: float,
) -> optax.GradientTransformation:
    """One of OPTIMIZERS. Weight decay is on kernels only.

    `adam` decouples it from the gradient (AdamW); the others add it to the gradient,
    as Caffe and Deeplearning4j do. `momentum` is of `sgd`, `epsilon` of the Adams.

    What directs the steps of a network's arrays has them as one, which is less to
    compile; those of the head, which grow with the people, it has as they are.
    """
    decay = optax.add_decayed_weights(weight_decay, mask=kernels)
    direction = {
        "adam": optax.scale_by_adam(eps=epsilon),
        "adam_dl4j": scale_by_adam_dl4j(epsilon),
        "sgd": optax.trace(momentum),
        "adagrad": optax.scale_by_rss(initial_accumulator_value=0.1),
    }[name]
    directions = optax.partition(
        {"head": direction, "network": joined(direction)}, parts
    )
    rate = optax.scale_by_learning_rate(schedule)
    if name == "adam":
        return optax.chain(directions, decay, rate)
    return optax.chain(decay, directions, rate)


def joined(inner: optax.GradientTransformation) -> optax.GradientTransformation:
    """`inner` of all arrays as one, as in `optax.flatten`; it does not see parameters.

    The difference is what there is to compile for a CPU. XLA compiles what takes an
    array out of the whole, and adds it to a parameter, once for every place in it: a
    sixth of a step's kernels. Here arrays of one shape have one kernel.
    """

    def whole(tree: Any) -> jax.Array:
        return jnp.concatenate([x.ravel() for x in jax.tree.leaves(tree)])

    def update(
        grads: Any, state: optax.OptState, params: Any = None
    ) -> tuple[Any, optax.OptState]:
        del params
        leaves, structure = jax.tree.flatten(grads)
        directions, state = inner.update(whole(grads), state)
        sizes = [x.size for x in leaves]
        parts = jax.lax.platform_dependent(
            directions,
            cpu=lambda x: _taken_apart(x, sizes),
            default=lambda x: jnp.split(x, np.cumsum(sizes)[:-1]),
        )
        shaped = [x.reshape(like.shape) for x, like in zip(parts, leaves, strict=True)]
        return jax.tree.unflatten(structure, shaped), state

    return optax.GradientTransformation(
        lambda params: inner.init(whole(params)), update
    )


def _taken_apart(whole: jax.Array, sizes: list[int]) -> list[jax.Array]:
    """Parts of so many numbers, from places that XLA does not see to be constants."""
    places = [np.int32(place) for place in np.cumsum([0, *sizes[:-1]])]
    # The same either way; but what a condition chooses is no constant to XLA.
    places = jax.lax.cond(whole[0] > 0, lambda: places, lambda: places)
    return [
        jax.lax.dynamic_slice_in_dim(whole, place, size)
        for place, size in zip(places, sizes, strict=True)
    ]


def scale_by_adam_dl4j(epsilon: float) -> optax.GradientTransformation:
    """Adam as nd4j's AdamUpdater has it, with b1 = 0.9 and b2 = 0.999.

    It is the form before section 2.1 of Kingma and Ba (arXiv 1412.6980), in which
    epsilon stands beside a second moment that is not yet corrected: its share is
    largest in the first steps, 32 times that of `optax.adam` in the very first. With
    the tutorial's 0.01 that matters.
    """
    moments = optax.scale_by_adam(eps=0.0)

    def update(
        grads: Any, state: optax.OptState, params: Any = None
    ) -> tuple[Any, optax.OptState]:
        del params
        _, state = moments.update(grads, state)
        count: Any = state.count.astype(jnp.float32)
        correction1, correction2 = 1 - 0.9**count, jnp.sqrt(1 - 0.999**count)
        scale = correction2 / correction1
        scaled = jax.tree.map(
            lambda m, v: scale * m / (jnp.sqrt(v) + epsilon), state.mu, state.nu
        )
        return scaled, state

    return optax.GradientTransformation(moments.init, update)


def kernels(params: Any) -> Any:
    """True at the weights of convolutions and dense layers; not at biases or BN."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: path[-1].key == "kernel", params
    )


def parts(params: Any) -> Any:
    """`head` or `network`, for every top-level key of the parameters."""
    return {name: "head" if name == HEAD else "network" for name in params}
