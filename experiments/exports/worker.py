"""One way to run an embedder, in a process of its own, when asked to.

python -m experiments.exports.worker SIDE FILE PHOTOS B

SIDE is load (`cl_facenet.load(FILE)`, called), apply (its jitted pure function, alone),
onnx (onnxruntime, with its default threads), stablehlo (`jax.export`'s `call`) or
stablehlo-jit (that within `jax.jit`). PHOTOS is a .npy of aligned squares uint8
[N, S, S, 3], of which B are embedded at a time. Asked as `experiments.turns` has it;
`vectors` wants those of all photos, `modules` what of JAX and Flax was imported.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.turns import serve

CHUNK = 32  # photos at a time where vectors are compared

Embed = Callable[[np.ndarray], Any]


def load(path: str) -> Embed:
    """The embedder that a program would have."""
    import cl_facenet

    embedder = cl_facenet.load(path)
    prepared_as = embedder.preprocessing.describe()
    return lambda images: embedder(images, prepared_as=prepared_as)


def apply(path: str) -> Embed:
    """The pure function within it."""
    import cl_facenet
    from cl_facenet.compiling import jit

    embedder = cl_facenet.load(path)
    function = jit(embedder.apply)
    return lambda images: function(embedder.params, images)


def onnx(path: str) -> Embed:
    """As the README has it."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"images": images})[0]


def stablehlo(path: str) -> Embed:
    """As the README has it."""
    from jax import export

    with open(f"{path}/embedder.stablehlo", "rb") as file:
        return export.deserialize(bytearray(file.read())).call


def stablehlo_jit(path: str) -> Embed:
    """The same, in a program that compiles it into its own."""
    import jax

    return jax.jit(stablehlo(path))


SIDES = {
    "load": load,
    "apply": apply,
    "onnx": onnx,
    "stablehlo": stablehlo,
    "stablehlo-jit": stablehlo_jit,
}


def main() -> None:
    """Embeds the first B photos once, and then whatever it is asked for."""
    side, path, photos, batch_size = sys.argv[1:]
    images = np.load(photos)
    batch = images[: int(batch_size)]
    embed = SIDES[side](path)

    def act() -> np.ndarray:
        return np.asarray(embed(batch))  # waits for the end

    def vectors() -> dict[str, Any]:
        starts = range(0, len(images), CHUNK)
        chunks = [np.asarray(embed(images[start : start + CHUNK])) for start in starts]
        return {"vectors": np.concatenate(chunks).tolist()}

    def modules() -> dict[str, Any]:
        return {name: name in sys.modules for name in ("jax", "flax")}

    act()
    serve(act, {"vectors": vectors, "modules": modules})


if __name__ == "__main__":
    main()
