"""From the `optimizer` section of a config to an optax gradient transformation."""

from typing import Any

import jax
import optax

SCHEDULES = ("cosine", "constant", "step")
OPTIMIZERS = ("adam", "sgd", "adagrad")


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
    name: str, schedule: optax.Schedule, *, momentum: float, weight_decay: float
) -> optax.GradientTransformation:
    """One of OPTIMIZERS. Weight decay is on kernels only.

    `adam` decouples it from the gradient (AdamW); `sgd` and `adagrad` add it to the
    gradient, as Caffe does. `momentum` is of `sgd`.
    """
    l2 = optax.add_decayed_weights(weight_decay, mask=kernels)
    return {
        "adam": optax.adamw(schedule, weight_decay=weight_decay, mask=kernels),
        "sgd": optax.chain(l2, optax.sgd(schedule, momentum)),
        "adagrad": optax.chain(l2, optax.adagrad(schedule)),
    }[name]


def kernels(params: Any) -> Any:
    """True at the weights of convolutions and dense layers; not at biases or BN."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: path[-1].key == "kernel", params
    )
