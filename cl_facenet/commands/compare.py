"""cl-facenet compare: whether two photos show the same person."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cl_facenet.arguments import path, path_as_typed
from cl_facenet.commands.options import (
    add_false_accept_rate,
    add_model,
    add_on_missing_face,
    threshold_of,
)
from cl_facenet.commands.outputs import add_force, output_file
from cl_facenet.errors import NO_FACE, printable
from cl_facenet.paths import local_path

if TYPE_CHECKING:
    from cl_facenet.verdict import Verdict


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments of `run`."""
    parser.epilog = "cl-facenet compare a.jpg b.jpg"
    parser.add_argument(
        "photos",
        nargs=2,
        type=path_as_typed,
        metavar="PHOTO",
        help="with one face each",
    )
    add_model(parser)
    add_false_accept_rate(parser)
    add_on_missing_face(parser)
    parser.add_argument(
        "--picture",
        type=path,
        metavar="FILE.png",
        help="draws the two faces, as the network saw them, and the verdict",
    )
    add_force(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compares, and says how often such an answer is wrong; 3 if there is none."""
    photos, picture = list(map(local_path, arguments.photos)), arguments.picture
    if picture is not None:
        picture = output_file(
            "--picture",
            picture,
            [".png"],
            force=arguments.force,
            reads=photos,
        )
    from cl_facenet.data.photos import open_photo
    from cl_facenet.loading import load
    from cl_facenet.whole_files import write_whole

    embedder = load(arguments.model)
    threshold_of(embedder, arguments.false_accept_rate)  # before any photo is read
    verdict = embedder.verify(
        *photos,
        false_accept_rate=arguments.false_accept_rate,
        on_missing_face=arguments.on_missing_face,
    )
    if picture is not None:
        from cl_facenet.commands.verdict_picture import draw_verdict

        squares = [embedder.preprocessing(open_photo(photo)) for photo in photos]
        drawn = draw_verdict(squares, verdict)
        write_whole(picture, drawn, overwrite=arguments.force)
    if arguments.json:
        print(json.dumps(_content(verdict, arguments.photos), indent=2))
    else:
        _print(verdict, arguments.photos)
    return NO_FACE if verdict.same is None else 0


def _content(verdict: "Verdict", photos: Sequence[str]) -> dict[str, Any]:
    """For machines."""
    named = zip(photos, verdict.faces, strict=True)
    return asdict(verdict) | {
        "photos": photos,
        "no_face": [photo for photo, face in named if face.missing],
        "notes": verdict.notes,
        "reason": verdict.reason,
    }


def _print(verdict: "Verdict", photos: Sequence[str]) -> None:
    """For people: the answer, and a line for what is worth saying of each face."""
    limit = (
        f"the limit is {verdict.threshold:.3g}; false-accept rate "
        f"{verdict.false_accept_rate:g} on {printable(str(verdict.calibrated_on))}"
    )
    named = list(zip(map(printable, photos), verdict.faces, strict=True))
    if verdict.distance is None:
        missing = " and ".join(photo for photo, face in named if face.missing)
        why = f"no face found in {missing}" if missing else verdict.reason
        print(f"no verdict: {why}")
        print("--on-missing-face=assume compares the middle of such a photo")
    else:
        says = "the same person" if verdict.same else "different people"
        print(f"{says}: distance {verdict.distance:.3g}, {limit}")
    for photo, face in named:
        for note in face.notes():
            print(f"{photo}: {note}")
