"""cl-facenet identify: who is on a photo, of the people of a gallery, or nobody."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cl_facenet.arguments import path, path_as_typed
from cl_facenet.commands.options import (
    add_false_accept_rate,
    add_model,
    add_on_missing_face,
    add_skip_unreadable,
    calibration_json,
    left_out,
    number_left_out,
    print_left_out,
    single_photos,
    threshold_of,
)
from cl_facenet.errors import NO_FACE, NoFaceError, printable

if TYPE_CHECKING:
    from cl_facenet.embed_photos import Embedded
    from cl_facenet.gallery import Gallery

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
    add_on_missing_face(parser)
    add_skip_unreadable(parser)


def run(arguments: argparse.Namespace) -> int:
    """Enrols the gallery and names each photo, or says that it is of nobody in it.

    3 if no face was found in one of the photos: it has no answer.
    """
    from cl_facenet.embed_photos import embed_folder, embed_photos
    from cl_facenet.gallery import Gallery, identities_of
    from cl_facenet.loading import load

    embedder = load(arguments.model)
    threshold = threshold_of(embedder, arguments.false_accept_rate)
    how = arguments.on_missing_face
    photos = single_photos(arguments.photos)
    probes = embed_photos(embedder, photos, on_missing_face=how)
    folder = embed_folder(
        embedder,
        arguments.gallery,
        skip_unreadable=arguments.skip_unreadable,
        on_missing_face=how,
        by_identity=True,
    )
    enrolled = folder.has_vector
    if not enrolled.any():
        raise NoFaceError(
            f"{arguments.gallery}: no face found in any of its {len(enrolled):,} "
            "photos, so nobody is enrolled; --on-missing-face=assume takes their middle"
        )
    names = [name for name, one in zip(folder.names, enrolled, strict=True) if one]
    identities, merged = identities_of(names)
    gallery = Gallery(identities, folder.vectors[enrolled])
    result = {
        **calibration_json(threshold, embedder.calibration),
        # Each photo enrolled is one more chance to be taken for somebody.
        "strangers_named_at_most": min(
            1.0, len(identities) * threshold.false_accept_rate
        ),
        "gallery": {
            "num_photos": len(identities),
            "num_people": len(gallery.people),
            "merged": merged,
            **left_out(folder),
        },
        "photos": _answers(probes, gallery, threshold.threshold),
    }
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        _print(result)
    return 0 if probes.has_vector.all() else NO_FACE


def _answers(
    probes: "Embedded", gallery: "Gallery", threshold: float
) -> list[dict[str, Any]]:
    """Of each photo who it is, if that is clear, and who is near."""
    from cl_facenet.gallery import match

    answers = []
    nearest = gallery.nearest(probes.vectors, CANDIDATES)
    for row, ((name, face), candidates) in enumerate(
        zip(probes.named_faces(), nearest, strict=True)
    ):
        found = match(candidates, threshold)
        near = bool(candidates) and candidates[0].distance < threshold
        tie = gallery.tie(probes.vectors[row]) if near and not found else []
        answers.append(
            {
                "photo": name,
                "person": found and found.person,
                "tie": [one.person for one in tie],
                "face_found": not face.missing,
                "face": asdict(face),
                "notes": face.notes(),
                "candidates": [asdict(candidate) for candidate in candidates],
            }
        )
    return answers


def _print(result: dict[str, Any]) -> None:
    for answer in result["photos"]:
        says = "; ".join([*_says(answer), *answer["notes"]])
        print(f"{printable(answer['photo'])}: {says}")
    gallery = dict(result["gallery"])
    merged, photos = gallery.pop("merged"), gallery.pop("num_photos")
    people = gallery.pop("num_people")
    print(
        f"gallery: {photos:,} photos of {people:,} people; {number_left_out(gallery)}"
    )
    for person, spellings in merged.items():
        spelled = ", ".join(repr(spelling) for spelling in spellings)
        print(f"one person, spelled in several ways: {printable(person)} ({spelled})")
    print_left_out(gallery)
    print(
        f"the limit is {result['threshold']:.3g}: false-accept rate "
        f"{result['false_accept_rate']:g} a pair, so at most "
        f"{result['strangers_named_at_most']:.4g} of strangers get a name"
    )


def _says(answer: dict[str, Any]) -> list[str]:
    """Who it is; nothing of a photo without a face."""
    if not answer["candidates"]:
        return []
    nearest = answer["candidates"][0]
    who, distance = printable(nearest["person"]), f"{nearest['distance']:.3g}"
    if answer["tie"]:
        names = " and ".join(printable(name) for name in answer["tie"])
        return [f"unknown: a tie between {names} (distance {distance})"]
    if answer["person"] is None:
        return [f"unknown (nearest: {who}, distance {distance})"]
    return [f"{who} (distance {distance})"]
