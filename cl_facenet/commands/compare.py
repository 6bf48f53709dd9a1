"""cl-facenet compare: whether two photos show the same person."""

import argparse
import json
from dataclasses import asdict

from cl_facenet.arguments import path, path_as_typed
from cl_facenet.commands.options import (
    add_false_accept_rate,
    add_model,
    print_left_out,
    single_photos,
    threshold_of,
)
from cl_facenet.errors import UsageError, printable


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
    parser.add_argument(
        "--picture",
        type=path,
        metavar="FILE.png",
        help="draws the two faces, as the network saw them, and the verdict",
    )


def run(arguments: argparse.Namespace) -> None:
    """Compares, and says how often such an answer is wrong."""
    from cl_facenet.embed_photos import embed_photos
    from cl_facenet.loading import load
    from cl_facenet.whole_files import check_place, write_whole

    picture = arguments.picture
    if picture is not None:
        if picture.suffix != ".png":
            raise UsageError(f"--picture={picture}: it ends in .png")
        check_place(picture)
    embedder = load(arguments.model)
    threshold_of(embedder, arguments.false_accept_rate)  # before any photo is read
    photos = single_photos(arguments.photos)
    embedded = embed_photos(embedder, photos)
    distance = float(embedder.distance(*embedded.vectors))
    verdict = embedder.judge(distance, arguments.false_accept_rate)
    if picture is not None:
        from cl_facenet.commands.verdict_picture import draw_verdict

        squares = [embedder.preprocessing(photo.read()) for photo in photos]
        write_whole(picture, draw_verdict(squares, verdict))
    if arguments.json:
        about = {"photos": arguments.photos, "no_face": embedded.no_face}
        print(json.dumps(asdict(verdict) | about, indent=2))
        return
    print(
        f"{'the same person' if verdict.same else 'different people'}: distance "
        f"{distance:.3g}, the limit is {verdict.threshold:.3g}; false-accept rate "
        f"{verdict.false_accept_rate:g} on {printable(str(verdict.calibrated_on))}"
    )
    print_left_out(embedded.no_face, [])
