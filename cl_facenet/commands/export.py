"""cl-facenet export: a trained network in files for others, or to be passed on."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_facenet.arguments import path, path_as_typed
from cl_facenet.errors import UsageError

if TYPE_CHECKING:
    from cl_facenet.embedder import Embedder


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments of `run`."""
    parser.epilog = "cl-facenet export runs/nn4-orl faces.onnx"
    parser.add_argument(
        "model",
        type=path_as_typed,
        metavar="MODEL",
        help="a run's directory or a saved embedder",
    )
    parser.add_argument(
        "out",
        type=path,
        metavar="OUT",
        help="file to be written, as faces.onnx; for other formats a folder",
    )
    parser.add_argument(
        "--format",
        choices=tuple(_FORMATS),
        default="onnx",
        help="onnx: uint8 photos to embeddings, as the file's metadata say (default); "
        "safetensors: a folder that cl_facenet.load reads; stablehlo: a program for "
        "jax.export, in a folder",
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16"),
        help="of the parameters, for safetensors: bfloat16 takes half the room "
        "(default: float32)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Exports, and says how large it is."""
    from cl_facenet.loading import load

    if arguments.dtype and arguments.format != "safetensors":
        raise UsageError("--dtype is for --format=safetensors: leave it out")
    details = _FORMATS[arguments.format](load(arguments.model), arguments)
    size = _size(arguments.out)
    if arguments.json:
        result = {"file": str(arguments.out), "format": arguments.format}
        print(json.dumps(result | {"bytes": size} | details, indent=2))
        return
    print(f"{arguments.out}: {size / 1e6:.1f} MB", end="")
    if "max_difference" in details:
        print(
            "; embeddings of random images differ from JAX's by "
            f"{details['max_difference']:.1e} at most",
            end="",
        )
    print()


def _onnx(embedder: "Embedder", arguments: argparse.Namespace) -> dict[str, Any]:
    from cl_facenet.export.onnx import save_onnx

    return {"max_difference": save_onnx(embedder, arguments.out)}


def _safetensors(embedder: "Embedder", arguments: argparse.Namespace) -> dict[str, Any]:
    dtype = arguments.dtype or "float32"
    embedder.save(arguments.out, dtype=dtype)
    return {"dtype": dtype}


def _stablehlo(embedder: "Embedder", arguments: argparse.Namespace) -> dict[str, Any]:
    from cl_facenet.export.stablehlo import save_stablehlo

    return {"max_difference": save_stablehlo(embedder, arguments.out)}


_FORMATS = {"onnx": _onnx, "safetensors": _safetensors, "stablehlo": _stablehlo}


def _size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)
