"""cl-facenet export: a trained network in files for others, or to be passed on."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_facenet.arguments import path, path_as_typed
from cl_facenet.commands.outputs import (
    add_force,
    add_former_output,
    output_file,
    required_output,
)
from cl_facenet.errors import UsageError

if TYPE_CHECKING:
    from cl_facenet.embedder import Embedder

_EXAMPLE = "cl-facenet export runs/nn4-orl --out=faces.onnx"


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments of `run`."""
    parser.epilog = _EXAMPLE
    parser.add_argument(
        "model",
        type=path_as_typed,
        metavar="MODEL",
        help="a run's directory or a saved embedder",
    )
    add_former_output(parser)
    parser.add_argument(
        "--out",
        type=path,
        metavar="OUT",
        help="required: file to be written, as faces.onnx; for other formats a folder",
    )
    add_force(parser)
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
    from cl_facenet.whole_files import check_apart, check_folder_name

    if arguments.dtype and arguments.format != "safetensors":
        raise UsageError("--dtype is for --format=safetensors: leave it out")
    out = required_output(arguments, _EXAMPLE)
    check_apart(Path(arguments.model), out)
    if arguments.format == "onnx":
        output_file("--out", out, [".onnx"], force=arguments.force, reads=[])
    else:
        check_folder_name(out)
    details = _FORMATS[arguments.format](load(arguments.model), out, arguments)
    size = _size(out)
    if arguments.json:
        result = {"file": str(out), "format": arguments.format}
        print(json.dumps(result | {"bytes": size} | details, indent=2))
        return
    print(f"{out}: {size / 1e6:.1f} MB", end="")
    if "max_difference" in details:
        print(
            "; embeddings of random images differ from JAX's by "
            f"{details['max_difference']:.1e} at most",
            end="",
        )
    print()


def _onnx(
    embedder: "Embedder", out: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    from cl_facenet.export.onnx import save_onnx

    return {"max_difference": save_onnx(embedder, out, overwrite=arguments.force)}


def _safetensors(
    embedder: "Embedder", out: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    dtype = arguments.dtype or "float32"
    embedder.save(out, dtype=dtype, overwrite=arguments.force)
    return {"dtype": dtype}


def _stablehlo(
    embedder: "Embedder", out: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    from cl_facenet.export.stablehlo import save_stablehlo

    return {"max_difference": save_stablehlo(embedder, out, overwrite=arguments.force)}


_FORMATS = {"onnx": _onnx, "safetensors": _safetensors, "stablehlo": _stablehlo}


def _size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)
