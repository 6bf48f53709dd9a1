"""cl-facenet evaluate: a saved model scored by a published protocol."""

import argparse
import json

from cl_facenet.arguments import pairs_or_protocol, path_as_typed
from cl_facenet.commands.group_lines import group_lines
from cl_facenet.errors import UsageError


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments of `run`."""
    parser.epilog = "cl-facenet evaluate runs/nn4-lfw --protocol=lfw_view1"
    parser.add_argument(
        "models",
        nargs="+",
        type=path_as_typed,
        metavar="MODEL",
        help="a run's directory or a saved embedder; two that were trained on halves, "
        "for lfw_view2",
    )
    parser.add_argument(
        "--protocol",
        type=pairs_or_protocol,
        required=True,
        help="lfw_view1, lfw_view2, or pairs:FILE in the format of LFW's pairs.txt",
    )
    parser.add_argument(
        "--photos",
        type=path_as_typed,
        default="lfw",
        help="prepared photos that pairs:FILE names (default: lfw as it was prepared)",
    )
    parser.add_argument(
        "--cache-dir",
        type=path_as_typed,
        default="",
        help="where prepare lfw was told to put it",
    )
    parser.add_argument(
        "--groups",
        type=path_as_typed,
        default="",
        metavar="CSV",
        help="errors by groups, too, with intervals: a file whose first line is like "
        "person,gender,age, or photo,light; on all pairs of photos of the people",
    )
    parser.add_argument(
        "--false-accept-rate",
        type=float,
        metavar="RATE",
        help="groups are measured at the model's threshold for it (default: 0.01; the "
        "protocol's best threshold if the model has none)",
    )

    parser.add_argument(
        "--on-missing-face",
        choices=("decline", "assume"),
        default="decline",
        help="pairs:FILE with photos in which no face was found is refused (decline, "
        "the default), or scored as they were cut (assume), as LFW's protocols are",
    )


def run(arguments: argparse.Namespace) -> None:
    """Scores, and prints the scores."""
    from cl_facenet.benchmark import benchmark
    from cl_facenet.evaluation.roc import in_words

    if arguments.false_accept_rate is not None and not arguments.groups:
        raise UsageError("--false-accept-rate is for --groups: give both, or neither")
    results = benchmark(
        arguments.models,
        arguments.protocol,
        arguments.photos,
        arguments.cache_dir,
        groups=arguments.groups,
        false_accept_rate=arguments.false_accept_rate,
        on_missing_face=arguments.on_missing_face,
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
        value = in_words(share, float(rate), "pairs of different people")
        print(f"true accepts at false accepts {rate}: {value}")
    if faceless := results["num_faceless_photos"]:
        print(
            f"no face found in {faceless:,} of the photos, which are cut at the middle"
        )
    if "groups" in results:
        print()
        print(*group_lines(results["groups"]), sep="\n")
