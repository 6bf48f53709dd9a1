"""cl-facenet identify: who is on a photo, of the people of a gallery, or nobody."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from cl_facenet.arguments import path, path_as_typed
from cl_facenet.commands.options import (
    add_false_accept_rate,
    add_model,
    add_skip_unreadable,
    calibration_json,
    left_out,
    number_left_out,
    print_left_out,
    single_photos,
    threshold_of,
)
from cl_facenet.errors import printable

CANDIDATES = 5  # of each photo, in the JSON


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments of `run`."""
    parser.epilog = "cl-facenet identify who.jpg --gallery=people"
    parser.add_argument(
        "photos",
        nargs="+",
        type=path_as_typed,
        metavar="PHOTO",
        help="with one face each, to be named",
    )
    parser.add_argument(
        "--gallery",
        type=path,
        required=True,
        metavar="FOLDER",
        help="photos of known people: a sub-folder a person, or photos named by them",
    )
    add_model(parser)
    add_false_accept_rate(parser)
    add_skip_unreadable(parser)


def run(arguments: argparse.Namespace) -> None:
    """Enrols the gallery and names each photo, or says that it is of nobody in it."""
    from cl_facenet.embed_photos import embed_folder, embed_photos
    from cl_facenet.gallery import Gallery, match, person_of
    from cl_facenet.loading import load

    embedder = load(arguments.model)
    threshold = threshold_of(embedder, arguments.false_accept_rate)
    probes = embed_photos(embedder, single_photos(arguments.photos))
    enrolled = embed_folder(
        embedder, arguments.gallery, skip_unreadable=arguments.skip_unreadable
    )
    people = [person_of(name) for name in enrolled.names]
    gallery = Gallery(people, enrolled.vectors)
    answers = []
    nearest = gallery.nearest(probes.vectors, CANDIDATES)
    for name, candidates in zip(probes.names, nearest, strict=True):
        found = match(candidates, threshold.threshold)
        answers.append(
            {
                "photo": name,
                "person": found and found.person,
                "face_found": name not in probes.no_face,
                "candidates": [asdict(candidate) for candidate in candidates],
            }
        )
    result = {
        **calibration_json(threshold, embedder.calibration),
        # Each photo enrolled is one more chance to be taken for somebody.
        "strangers_named_at_most": min(1.0, len(people) * threshold.false_accept_rate),
        "gallery": {
            "num_photos": len(people),
            "num_people": len(gallery.people),
            **left_out(enrolled.no_face, enrolled.unreadable),
        },
        "photos": answers,
    }
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        _print(result)


def _print(result: dict[str, Any]) -> None:
    for answer in result["photos"]:
        nearest = answer["candidates"][0]
        who, distance = printable(nearest["person"]), f"{nearest['distance']:.3g}"
        says = f"{who} (distance {distance})"
        if answer["person"] is None:
            says = f"unknown (nearest: {who}, distance {distance})"
        note = "" if answer["face_found"] else "; no face found"
        print(f"{printable(answer['photo'])}: {says}{note}")
    gallery = result["gallery"]
    missing = (gallery["no_face"], gallery["unreadable"])
    print(
        f"gallery: {gallery['num_photos']:,} photos of {gallery['num_people']:,} "
        f"people; {number_left_out(*missing)}"
    )
    print_left_out(*missing)
    print(
        f"the limit is {result['threshold']:.3g}: false-accept rate "
        f"{result['false_accept_rate']:g} a pair, so at most "
        f"{result['strangers_named_at_most']:.4g} of strangers get a name"
    )
