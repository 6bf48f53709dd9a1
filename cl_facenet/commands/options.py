"""Options that several commands have, and what they say in the same words."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_facenet.arguments import path_as_typed
from cl_facenet.errors import InputError, UsageError, printable

if TYPE_CHECKING:
    from cl_facenet.data.photos import Photo
    from cl_facenet.embedder import Embedder
    from cl_facenet.evaluation.calibration import Calibration, Threshold


SHIPPED = "nn4_small2_lfw"


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


def left_out(no_face: Sequence[str], unreadable: Sequence[str]) -> dict[str, Any]:
    """For machines."""
    return {"no_face": list(no_face), "unreadable": list(unreadable)}


def print_left_out(no_face: Sequence[str], unreadable: Sequence[str]) -> None:
    """For people, a line a photo."""
    for kind, names in (("no face", no_face), ("unreadable", unreadable)):
        for name in names:
            print(f"{kind}: {printable(name)}")


def number_left_out(no_face: Sequence[str], unreadable: Sequence[str]) -> str:
    """How many, in a line with other things."""
    return f"no face found in {len(no_face):,}, unreadable {len(unreadable):,}"


def calibration_json(
    threshold: "Threshold", calibration: "Calibration"
) -> dict[str, Any]:
    """Which threshold is used, and on what it was measured."""
    about = asdict(threshold)
    del about["true_accept_rate"]
    return about | {"calibrated_on": asdict(calibration.calibrated_on)}
