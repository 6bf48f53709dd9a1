"""One side of a comparison, in a process of its own, doing one thing when asked to.

python -m experiments.speed.worker SIDE TASK

SIDE is jax, bare (the jitted function within the embedder), onnx (the exported embedder
in onnxruntime), eager or compile (PyTorch), or numpy. TASK is train:CONFIG:B, a
training step of configs/CONFIG.py on B photos; infer:CONFIG:B, the embedding of B
photos; or product:N, of two N x N matrices. PyTorch has configs/nn4.py alone, onnx no
training. A number on a line of standard input is how many times to do it; the answer is
a line of JSON. `count` has PyTorch's eager side count what it does.
"""

import importlib
import multiprocessing
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from experiments.turns import Act, serve

NUM_CLASSES = 5749  # LFW's


def photos(batch_size: int, image_size: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [B, S, S, 3] and labels, the same for all sides."""
    rng = np.random.default_rng(0)
    shape = (batch_size, image_size, image_size, 3)
    labels = rng.integers(0, NUM_CLASSES, batch_size)
    return rng.integers(0, 256, shape, np.uint8), labels.astype(np.int32)


def config_of(name: str, batch_size: int) -> Any:
    """configs/NAME.py, with another batch size."""
    from cl_facenet.config import resolve

    config = importlib.import_module(f"configs.{name}").get_config("synthetic")
    config.batch_size = batch_size
    resolve(config)
    return config


def jax_train(name: str, batch_size: int) -> Act:
    """The train step as cl_facenet.main runs it."""
    from cl_facenet.compiling import keep_programs

    keep_programs()
    config = config_of(name, batch_size)
    images, labels = photos(batch_size, config.data.image_size)
    batch = {"image": images, "label": labels, "mask": np.ones(batch_size, bool)}
    return repeated_step(config, NUM_CLASSES, batch)


def repeated_step(config: Any, num_classes: int, batch: Any) -> Act:
    """A config's train step on one batch over and over, compiled."""
    import jax

    from cl_facenet.build import build_model, build_optimizer, build_start
    from cl_facenet.compiling import release_memory

    model = build_model(config, num_classes)
    tx, _ = build_optimizer(config, num_photos=10_000, num_steps=1000)
    state, step, _ = build_start(config, model, tx)
    batch = jax.device_put(batch)

    def act() -> object:
        nonlocal state
        state, metrics = step(state, batch)
        return jax.block_until_ready((state, metrics))

    act()
    release_memory()
    return act


def embedder_of(name: str) -> tuple[Any, int]:
    """An embedder with random parameters, and its photos' size."""
    import jax

    from cl_facenet.build import build_model
    from cl_facenet.data.preprocessing import Preprocessing
    from cl_facenet.embedder import Embedder
    from cl_facenet.params import drop_head

    config = config_of(name, 1)
    size = config.data.image_size
    model = build_model(config, 1)
    images = np.zeros((1, size, size, 3), np.float32)
    variables = jax.jit(model.init)(jax.random.key(0), images)
    variables |= {"params": drop_head(variables["params"])}
    return Embedder(model, variables, Preprocessing("none", size)), size


def jax_infer(name: str, batch_size: int) -> Act:
    """The embedder, on an array of photos."""
    from cl_facenet.compiling import keep_programs

    keep_programs()
    embedder, size = embedder_of(name)
    images, _ = photos(batch_size, size)
    embedder(images)
    return lambda: embedder(images)


def bare_infer(name: str, batch_size: int) -> Act:
    """The jitted function within the embedder, alone."""
    import jax

    from cl_facenet.compiling import jit

    embedder, size = embedder_of(name)
    images, _ = photos(batch_size, size)
    apply = jit(embedder.apply)

    def act() -> object:
        return jax.block_until_ready(apply(embedder.params, images))

    act()
    return act


def onnx_infer(name: str, batch_size: int) -> Act:
    """The embedder's ONNX file in onnxruntime, with its default threads.

    Another process exports it: whoever runs the file has no JAX in memory.
    """
    import onnxruntime

    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other,
    ):
        path = f"{folder}/embedder.onnx"
        other.submit(export_onnx, name, path).result()
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    images, _ = photos(batch_size, given.shape[1])

    def act() -> object:
        return session.run(None, {given.name: images})

    act()
    return act


def export_onnx(name: str, path: str) -> None:
    """Writes the file, checked, as `cl-facenet export` does."""
    from cl_facenet.compiling import keep_programs
    from cl_facenet.export.onnx import save_onnx

    keep_programs()
    embedder, _ = embedder_of(name)
    save_onnx(embedder, path)


def torch_train(batch_size: int, *, compiled: bool) -> Act:
    """The same step in PyTorch."""
    import torch

    from experiments.speed.torch_nn4 import Trainer

    trainer = Trainer(NUM_CLASSES, compiled=compiled)
    images, labels = photos(batch_size, 96)
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)  # channels last already
    target = torch.from_numpy(labels.astype(np.int64))
    trainer.step(tensor, target)
    return lambda: trainer.step(tensor, target)


def torch_infer(batch_size: int, *, compiled: bool) -> Act:
    """The same network in PyTorch, without gradients."""
    import torch

    from experiments.speed.torch_nn4 import NN4Small2

    net = NN4Small2().eval().to(memory_format=torch.channels_last)
    run = torch.compile(net) if compiled else net
    images, _ = photos(batch_size, 96)

    def act() -> object:
        with torch.inference_mode():
            x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
            return run(x).numpy()

    act()
    return act


def product(size: int) -> Act:
    """A matrix product: about the most that the machine can do."""
    a = np.random.default_rng(0).random((size, size), np.float32)
    return lambda: a @ a


def make(side: str, task: str) -> Act:
    """What this process is to do, done once."""
    kind, *of = task.split(":")
    if kind == "product":
        return product(int(of[0]))
    name, batch_size = of[0], int(of[1])
    if side == "jax":
        return (jax_train if kind == "train" else jax_infer)(name, batch_size)
    if side == "bare":
        return bare_infer(name, batch_size)
    if side == "onnx":
        return onnx_infer(name, batch_size)
    make_torch = torch_train if kind == "train" else torch_infer
    return make_torch(batch_size, compiled=side == "compile")


def operations(act: Act) -> int:
    """The floating-point operations of a step in PyTorch, as PyTorch counts them."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        act()
    return counter.get_total_flops()


def main() -> None:
    """Does it once, says that it has, and then does it as often as asked."""
    act = make(*sys.argv[1:])
    serve(act, {"count": lambda: {"operations": operations(act)}})


if __name__ == "__main__":
    os.environ["JAX_PLATFORMS"] = "cpu"
    main()
