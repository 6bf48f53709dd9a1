"""Every way to run the shipped embedder: its size, its answers, its speed.

python -m experiments.exports.run [--rounds=7] [--steps=10]

Needs the extra `onnx`, and LFW prepared (README). The shipped embedder is exported by
`cl-facenet export` in each format; each way to run it is a process of its own, and they
take turns, round after round. The photos are of people of LFW's view 1 test, who were
never trained on. Writes results.json and table.md.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import cl_facenet
from cl_facenet.data.lfw import read_protocol_files
from cl_facenet.data.lfw_splits import view1_pairs
from cl_facenet.dataset import open_lfw
from cl_facenet.user_cache import default_cache_dir
from experiments import runs
from experiments.exports import worker
from experiments.turns import Worker, in_milliseconds, take_turns

HERE = Path(__file__).parent
MODEL = "nn4_small2_lfw"
NUM_PHOTOS, BATCHES = 256, (1, 32)


class Way(NamedTuple):
    """One way to run it.

    Attributes:
      side: what the worker calls it.
      file: what `cl-facenet export` writes; None is the model as it is shipped.
      flags: that it writes it by.
    """

    side: str
    file: str | None
    flags: tuple[str, ...] = ()


SAFETENSORS, STABLEHLO = "--format=safetensors", "--format=stablehlo"
WAYS = {
    "`cl_facenet.load`, as shipped": Way("load", None),
    "its `apply` in `jit`, alone": Way("apply", None),
    "safetensors, float32": Way("load", "faces-float32", (SAFETENSORS,)),
    "safetensors, bfloat16": Way(
        "load", "faces-bfloat16", (SAFETENSORS, "--dtype=bfloat16")
    ),
    "ONNX, onnxruntime": Way("onnx", "faces.onnx"),
    "StableHLO, `call`": Way("stablehlo", "faces-stablehlo", (STABLEHLO,)),
    "StableHLO in `jax.jit`": Way("stablehlo-jit", "faces-stablehlo", (STABLEHLO,)),
}
REFERENCE = next(iter(WAYS))


def photos() -> np.ndarray:
    """Aligned squares of people never trained on: uint8 [N, 96, 96, 3]."""
    how = cl_facenet.load(MODEL).preprocessing
    records = open_lfw(default_cache_dir(), how.align, how.image_size)
    pairs = view1_pairs(read_protocol_files(records.directory), records.names())
    return records.images(np.unique(pairs.rows)[:NUM_PHOTOS])


def export(folder: Path) -> dict[str, int]:
    """Exports in each format into a folder: bytes on disk of every way's files."""
    sizes = {}
    for name, way in WAYS.items():
        if way.file is None:
            from cl_facenet import shipped

            sizes[name] = _bytes(shipped.folder_of(MODEL))
            continue
        path = folder / way.file
        if not path.exists():
            command = [sys.executable, "-m", "cl_facenet.cli", "export", MODEL]
            subprocess.run([*command, f"--out={path}", *way.flags], check=True)
        sizes[name] = _bytes(path)
    return sizes


def _bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def measure(folder: Path, batch_size: int, rounds: int, steps: int) -> dict[str, Any]:
    """All ways in turn, on so many photos at a time; and their vectors."""
    environment = runs.ENVIRONMENT | {
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
    }

    def start(way: Way) -> Worker:
        file = MODEL if way.file is None else str(folder / way.file)
        arguments = [way.side, file, str(folder / "photos.npy"), str(batch_size)]
        return Worker(["-m", worker.__name__, *arguments], environment)

    workers = {name: start(way) for name, way in WAYS.items()}
    measured = take_turns(workers, rounds, steps)
    vectors = {name: one.ask("vectors")["vectors"] for name, one in workers.items()}
    modules = {name: one.ask("modules") for name, one in workers.items()}
    for one in workers.values():
        one.close()
    return {
        name: own
        | {
            "start_seconds": workers[name].start_seconds,
            "max_difference": float(
                np.abs(np.subtract(vectors[name], vectors[REFERENCE])).max()
            ),
            "imports": modules[name],
        }
        for name, own in measured.items()
    }


def table(results: dict[str, Any]) -> str:
    """A row a way."""
    rows = []
    for name, size in results["bytes"].items():
        own = [results["measured"][str(batch)][name] for batch in BATCHES]
        rows.append(
            [
                name,
                f"{size / 1e6:.1f}",
                f"{max(one['max_difference'] for one in own):.1e}".replace(
                    "0.0e+00", "0"
                ),
                *(in_milliseconds(one, ".1f") for one in own),
                f"{max(one['peak_bytes'] for one in own) / 2**20:.0f}",
                ", ".join(m for m, there in own[0]["imports"].items() if there)
                or "none",
            ]
        )
    head = ["", "MB on disk", "largest difference"]
    head += [f"{batch} photo{'s' * (batch > 1)}, ms" for batch in BATCHES]
    return runs.markdown([*head, "peak MiB", "of JAX and Flax"], rows)


def main() -> None:
    """Exports, measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        np.save(folder / "photos.npy", photos())
        results = {"bytes": export(folder)}
        results["measured"] = {
            str(batch): measure(folder, batch, given.rounds, given.steps)
            for batch in BATCHES
        }
    about = runs.setting() | {"onnxruntime": version("onnxruntime")}
    about |= {"cores": len(os.sched_getaffinity(0)), "num_photos": NUM_PHOTOS}
    runs.write(HERE, about, results, table(results))


if __name__ == "__main__":
    main()
