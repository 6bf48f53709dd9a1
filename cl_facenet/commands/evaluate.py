"""cl-facenet evaluate: a saved model scored by a published protocol."""

import argparse
import json


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments of `run`."""
    parser.epilog = "cl-facenet evaluate runs/nn4-lfw --protocol=lfw_view1"
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="a run's directory or a saved embedder; two that were trained on halves, "
        "for lfw_view2",
    )
    parser.add_argument(
        "--protocol",
        required=True,
        help="lfw_view1, lfw_view2, or pairs:FILE in the format of LFW's pairs.txt",
    )
    parser.add_argument(
        "--photos",
        default="lfw",
        help="prepared photos that pairs:FILE names (default: lfw as it was prepared)",
    )
    parser.add_argument(
        "--cache-dir", default="", help="where prepare lfw was told to put it"
    )


def run(arguments: argparse.Namespace) -> None:
    """Scores, and prints the scores."""
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
