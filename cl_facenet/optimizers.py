"""From the `optimizer` section of a config to an optax gradient transformation."""

from typing import Any

import jax
import optax

from cl_facenet.errors import UsageError


def make_schedule(
    name: str,
    learning_rate: float,
    *,
    num_steps: int,
    warmup_steps: int,
    decay_steps: tuple[int, ...],
    decay_factor: float,
) -> optax.Schedule:
    """Learning rate against step: `cosine`, `constant` or `step`, each after a warm-up.

    The warm-up is linear from 0. `cosine` ends at 0 after num_steps; `step` multiplies
    by decay_factor at each of decay_steps.
    """
    after = num_steps - warmup_steps
    schedules = {
        "cosine": lambda: optax.cosine_decay_schedule(learning_rate, max(after, 1)),
        "constant": lambda: optax.constant_schedule(learning_rate),
        "step": lambda: optax.piecewise_constant_schedule(
            learning_rate, {step - warmup_steps: decay_factor for step in decay_steps}
        ),
    }
    if name not in schedules:
        raise UsageError(
            f"optimizer.schedule is {name!r}: choose one of {', '.join(schedules)}"
        )
    warmup = optax.linear_schedule(0.0, learning_rate, max(warmup_steps, 1))
    return optax.join_schedules([warmup, schedules[name]()], [warmup_steps])


def make_optimizer(
    name: str, schedule: optax.Schedule, *, momentum: float, weight_decay: float
) -> optax.GradientTransformation:
    """`adam` (decay decoupled, AdamW), `sgd` (with momentum) or `adagrad`.

    Weight decay is on kernels only. SGD and AdaGrad add it to the gradient, as their
    papers and Caffe do; `momentum` is SGD's.
    """
    l2 = optax.add_decayed_weights(weight_decay, mask=kernels)
    optimizers = {
        "adam": lambda: optax.adamw(schedule, weight_decay=weight_decay, mask=kernels),
        "sgd": lambda: optax.chain(l2, optax.sgd(schedule, momentum)),
        "adagrad": lambda: optax.chain(l2, optax.adagrad(schedule)),
    }
    if name not in optimizers:
        raise UsageError(
            f"optimizer.name is {name!r}: choose one of {', '.join(optimizers)}"
        )
    return optimizers[name]()


def kernels(params: Any) -> Any:
    """True at the weights of convolutions and dense layers; not at biases or BN."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: path[-1].key == "kernel", params
    )
