"""The cl-facenet command: photos aligned, models scored and exported."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from cl_facenet.errors import InputError, printable, reason_of

# The commands import what they need themselves: --help shall not wait for it.


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; what the user can mend is one line and an exit status."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except InputError as error:
        print(f"cl-facenet: {error}", file=sys.stderr)
        return error.exit_status
    except OSError as error:  # a full disk, a folder that may not be written
        print(f"cl-facenet: {reason_of(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("cl-facenet: stopped", file=sys.stderr)
        return 130
    return 0


def _align(arguments: argparse.Namespace) -> None:
    from cl_facenet.align_photos import align_photos
    from cl_facenet.data.preprocessing import Preprocessing

    result = align_photos(
        arguments.source,
        arguments.target,
        Preprocessing(arguments.align, arguments.image_size),
        skip_unreadable=arguments.skip_unreadable,
    )
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    print(
        f"{arguments.target}: {result['num_photos']:,} photos; no face found in "
        f"{len(result['no_face']):,}, unreadable {len(result['unreadable']):,}"
    )
    for kind in ("no_face", "unreadable"):
        for name in result[kind]:
            print(f"{kind.replace('_', ' ')}: {printable(name)}")


def _evaluate(arguments: argparse.Namespace) -> None:
    from cl_facenet.benchmark import benchmark

    results = benchmark(
        arguments.models, arguments.protocol, arguments.photos, arguments.cache_dir
    )
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    low, high = results["intervals"]["accuracy_mean"]
    print(f"{results['protocol']}: {results['num_pairs']:,} pairs", end=" ")
    print(f"of {results['num_people']:,} people, {results['source']}")
    print(
        f"accuracy {results['accuracy_mean']:.4f} ({low:.4f} to {high:.4f})", end=", "
    )
    print(f"standard error {results['accuracy_standard_error']:.4f}")
    print(f"AUC {results['auc']:.4f}, equal error rate {results['eer']:.4f}")
    for rate, share in results["tar_at_far"].items():
        print(f"true accepts at false accepts {rate}: {share:.4f}")


def _export(arguments: argparse.Namespace) -> None:
    from cl_facenet.embedder import load_workdir
    from cl_facenet.export.onnx import save_onnx

    difference = save_onnx(load_workdir(arguments.model), arguments.out)
    size = arguments.out.stat().st_size
    if arguments.json:
        result = {"file": str(arguments.out), "format": arguments.format}
        result |= {"bytes": size, "max_difference": difference}
        print(json.dumps(result, indent=2))
        return
    print(
        f"{arguments.out}: {size / 1e6:.1f} MB; embeddings of random images differ "
        f"from JAX's by {difference:.1e} at most"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cl-facenet", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    align = commands.add_parser(
        "align", help="photos of a folder to aligned squares in another"
    )
    align.set_defaults(run=_align)
    align.add_argument("source", type=Path, help="folder of photos, with sub-folders")
    align.add_argument("target", type=Path, help="folder to be made")
    align.add_argument(
        "--align",
        choices=("dlib", "dlib5", "none"),
        default="dlib",
        help="dlib: OpenFace's eyes and nose (default); dlib5: ArcFace's five points; "
        "none: the central square",
    )
    align.add_argument("--image-size", type=int, default=96, help="pixels a side")
    align.add_argument(
        "--skip-unreadable", action="store_true", help="leave such photos out"
    )

    evaluate = commands.add_parser(
        "evaluate", help="score a saved model by a published protocol"
    )
    evaluate.set_defaults(run=_evaluate)
    evaluate.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="a run's directory; two that were trained on halves, for lfw_view2",
    )
    evaluate.add_argument(
        "--protocol",
        required=True,
        help="lfw_view1, lfw_view2, or pairs:FILE in the format of LFW's pairs.txt",
    )
    evaluate.add_argument(
        "--photos",
        default="lfw",
        help="prepared photos that pairs:FILE names (default: lfw as it was prepared)",
    )
    evaluate.add_argument(
        "--cache-dir", default="", help="where prepare lfw was told to put it"
    )

    export = commands.add_parser(
        "export", help="a trained network as a file for other programs"
    )
    export.set_defaults(run=_export)
    export.add_argument("model", metavar="MODEL", help="a run's directory")
    export.add_argument(
        "out", type=Path, metavar="OUT", help="file to be written, as faces.onnx"
    )
    export.add_argument(
        "--format",
        choices=("onnx",),
        default="onnx",
        help="onnx: uint8 photos to embeddings, as the file's metadata say (default)",
    )
    for command in (align, evaluate, export):
        command.add_argument("--json", action="store_true", help="for machines")
    return parser


if __name__ == "__main__":
    sys.exit(main())
