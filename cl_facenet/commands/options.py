"""Options that several commands have, and what they say in the same words."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_facenet.arguments import path_as_typed
from cl_facenet.errors import InputError, UsageError, printable

if TYPE_CHECKING:
    from cl_facenet.data.photos import Photo
    from cl_facenet.embed_photos import Embedded
    from cl_facenet.embedder import Embedder
    from cl_facenet.evaluation.calibration import Calibration, Threshold


SHIPPED = "nn4_small2_lfw"
MOST_LINES = 20  # of files passed over


def add_model(parser: argparse.ArgumentParser) -> None:
    """--model."""
    parser.add_argument(
        "--model",
        type=path_as_typed,
        default=SHIPPED,
        help="a run's directory, a saved embedder, or the name of a shipped one "
        f"(default: {SHIPPED})",
    )


def add_false_accept_rate(parser: argparse.ArgumentParser) -> None:
    """--false-accept-rate."""
    parser.add_argument(
        "--false-accept-rate",
        type=float,
        default=0.01,
        metavar="RATE",
        help="share of pairs of different people that may be called the same; one that "
        "the model has a threshold for (default: 0.01)",
    )


def add_skip_unreadable(parser: argparse.ArgumentParser) -> None:
    """--skip-unreadable."""
    parser.add_argument(
        "--skip-unreadable", action="store_true", help="leave such photos out"
    )


def add_on_missing_face(parser: argparse.ArgumentParser) -> None:
    """--on-missing-face."""
    parser.add_argument(
        "--on-missing-face",
        choices=("decline", "assume"),
        default="decline",
        help="a photo in which no face is found has no answer (decline, the default), "
        "or its middle is taken for one (assume), as Labeled Faces in the Wild has it",
    )


def threshold_of(embedder: "Embedder", false_accept_rate: float) -> "Threshold":
    """The threshold that --false-accept-rate asks for.

    Raises:
      InputError: the embedder has none at all.
      UsageError: it has others; they are named.
    """
    calibration = embedder.calibration
    try:
        return calibration.at(false_accept_rate)
    except InputError as error:
        raise UsageError(f"--false-accept-rate: {error}") from error


def single_photos(paths: Sequence[str]) -> list["Photo"]:
    """Photos that are named one by one."""
    from cl_facenet.data.photos import Photo, open_photo

    return [Photo("", path, partial(open_photo, Path(path))) for path in paths]


def left_out(embedded: "Embedded") -> dict[str, Any]:
    """For machines: photos without a vector or of doubtful worth, and no photos."""
    from cl_facenet.data.face_report import reported

    return reported(embedded.names, embedded.faces) | {
        "unreadable": list(embedded.unreadable),
        "passed_over": list(embedded.passed_over),
    }


def print_left_out(photos: Mapping[str, Any]) -> None:
    """For people, a line a photo of `left_out`'s."""
    for name in photos["no_face"]:
        print(f"no face: {printable(name)}")
    for one in photos["several_faces"]:
        left, top, right, bottom = one["box"]
        print(
            f"several faces: {printable(one['photo'])} ({one['num_faces']}; the one at "
            f"({left}, {top}) to ({right}, {bottom}) is taken)"
        )
    for one in photos["largely_outside"]:
        outside = f"{100 * (1 - one['fraction_inside']):.0f} % of it"
        print(f"crop largely outside: {printable(one['photo'])} ({outside})")
    for name in photos["unreadable"]:
        print(f"unreadable: {printable(name)}")
    passed_over = photos["passed_over"]
    for name in passed_over[:MOST_LINES]:
        print(f"passed over: {printable(name)}")
    if len(passed_over) > MOST_LINES:
        more = len(passed_over) - MOST_LINES
        print(f"passed over: {more:,} more, which --json names")


def number_left_out(photos: Mapping[str, Any]) -> str:
    """How many of `left_out`'s there are, in a line with other things."""
    counts = {kind: len(names) for kind, names in photos.items()}
    said = f"no face found in {counts['no_face']:,}"
    if counts["several_faces"]:
        said += f", several faces in {counts['several_faces']:,}"
    if counts["largely_outside"]:
        said += f", crop largely outside of {counts['largely_outside']:,}"
    said += f", unreadable {counts['unreadable']:,}"
    if counts["passed_over"]:
        said += f", passed over {counts['passed_over']:,}"
    return said


def calibration_json(
    threshold: "Threshold", calibration: "Calibration"
) -> dict[str, Any]:
    """Which threshold is used, and on what it was measured."""
    about = asdict(threshold)
    del about["true_accept_rate"]
    return about | {"calibrated_on": asdict(calibration.calibrated_on)}
