"""One side of a comparison, in a process of its own, doing one thing when asked to.

python -m experiments.speed.worker SIDE TASK

SIDE is jax, eager or compile; TASK is train or infer:BATCH. A number on a line of
standard input is how many times to do it; the answer is a line of JSON.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

NUM_CLASSES, BATCH_SIZE, IMAGE_SIZE = 5749, 64, 96

Act = Callable[[], object]  # does it once, and waits for the end


def photos(batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [B, 96, 96, 3] and labels, the same for all sides."""
    rng = np.random.default_rng(0)
    shape = (batch_size, IMAGE_SIZE, IMAGE_SIZE, 3)
    labels = rng.integers(0, NUM_CLASSES, batch_size)
    return rng.integers(0, 256, shape, np.uint8), labels.astype(np.int32)


def jax_train() -> Act:
    """configs/nn4.py's train step."""
    import jax
    import optax

    from cl_facenet.center_rules import RULES
    from cl_facenet.losses import LOSSES
    from cl_facenet.models.facenet import create_model
    from cl_facenet.optimizers import make_optimizer
    from cl_facenet.state import create_state, make_train_step

    rule, loss = RULES["paper"], LOSSES["softmax"]
    model = create_model("nn4.small2", "openface", 128, 8.0, NUM_CLASSES)
    schedule = optax.constant_schedule(1e-3)
    tx = make_optimizer("adam", schedule, momentum=0.9, epsilon=1e-8, weight_decay=0.05)
    step = make_train_step(
        model,
        tx,
        loss=loss,
        margin=0.0,
        rule=rule,
        center_weight=1.0,
        center_alpha=0.5,
        center_on="embedding",
        seed=0,
    )
    state = create_state(model, tx, rule, IMAGE_SIZE, 0)
    images, labels = photos(BATCH_SIZE)
    batch = jax.device_put(
        {"image": images, "label": labels, "mask": np.ones(BATCH_SIZE, bool)}
    )

    def act() -> object:
        nonlocal state
        state, metrics = step(state, batch)
        return jax.block_until_ready((state, metrics))

    return act


def jax_infer(batch_size: int) -> Act:
    """The embedder, on an array of photos."""
    import jax

    from cl_facenet.data.preprocessing import Preprocessing
    from cl_facenet.embedder import Embedder
    from cl_facenet.models.facenet import create_model

    model = create_model("nn4.small2", "openface", 128, 8.0, None)
    images, _ = photos(batch_size)
    variables = jax.jit(model.init)(jax.random.key(0), images / np.float32(255))
    embedder = Embedder(model, variables, Preprocessing("none", IMAGE_SIZE))
    return lambda: embedder(images)


def torch_train(*, compiled: bool) -> Act:
    """The same step in PyTorch."""
    import torch

    from experiments.speed.torch_nn4 import Trainer

    trainer = Trainer(NUM_CLASSES, compiled=compiled)
    images, labels = photos(BATCH_SIZE)
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)  # channels last already
    return lambda: trainer.step(tensor, torch.from_numpy(labels.astype(np.int64)))


def torch_infer(batch_size: int, *, compiled: bool) -> Act:
    """The same network in PyTorch, without gradients."""
    import torch

    from experiments.speed.torch_nn4 import NN4Small2

    net = NN4Small2().eval().to(memory_format=torch.channels_last)
    run = torch.compile(net) if compiled else net
    images, _ = photos(batch_size)

    def act() -> object:
        with torch.inference_mode():
            x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
            return run(x).numpy()

    return act


def make(side: str, task: str) -> Act:
    """What this process is to do."""
    name, _, size = task.partition(":")
    if side == "jax":
        return jax_train() if name == "train" else jax_infer(int(size))
    compiled = side == "compile"
    if name == "train":
        return torch_train(compiled=compiled)
    return torch_infer(int(size), compiled=compiled)


def peak_memory() -> int:
    """The most bytes that this process has had in memory since `forget_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def forget_peak() -> None:
    """Counts the peak from here (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def main() -> None:
    """Does it once; says how long that took; then does it as often as asked."""
    started = time.perf_counter()
    act = make(*sys.argv[1:])
    act()
    say({"first": time.perf_counter() - started, "memory": peak_memory()})
    act()
    for line in sys.stdin:
        forget_peak()
        seconds = []
        for _ in range(int(line)):
            before = time.perf_counter()
            act()
            seconds.append(time.perf_counter() - before)
        say({"seconds": seconds, "memory": peak_memory()})


def say(answer: dict[str, object]) -> None:
    """To whoever started this process."""
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    os.environ["JAX_PLATFORMS"] = "cpu"
    main()
