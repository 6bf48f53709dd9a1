"""From the `optimizer` section of a config to an optax gradient transformation."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from cl_facenet.params import HEAD

SCHEDULES = ("cosine", "constant", "step")
OPTIMIZERS = ("adam", "adam_dl4j", "sgd", "adagrad")


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

    All of the network's kernels move as one array, and so does all the rest of it: that
    is less to compile. The head, which grows with the people, moves by itself.
    """

    def transformation(weight_decay: float) -> optax.GradientTransformation:
        l2 = optax.add_decayed_weights(weight_decay)
        return {
            "adam": optax.adamw(schedule, eps=epsilon, weight_decay=weight_decay),
            "adam_dl4j": optax.chain(
                l2, scale_by_adam_dl4j(epsilon), optax.scale_by_learning_rate(schedule)
            ),
            "sgd": optax.chain(l2, optax.sgd(schedule, momentum)),
            "adagrad": optax.chain(l2, optax.adagrad(schedule)),
        }[name]

    decaying, plain = transformation(weight_decay), transformation(0.0)
    transformations = {
        "kernels": optax.flatten(decaying),
        "others": optax.flatten(plain),
        "head kernels": decaying,
        "head others": plain,
    }
    return optax.partition(transformations, groups)


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


def groups(params: Any) -> Any:
    """Which parameters move alike: a name for each.

    `kernels` are the weights of convolutions and dense layers; biases and batch
    normalisations are among the `others`.
    """

    def group(path: tuple[Any, ...], _: jax.Array) -> str:
        name = "kernels" if path[-1].key == "kernel" else "others"
        return f"head {name}" if path[0].key == HEAD else name

    return jax.tree_util.tree_map_with_path(group, params)
