"""cl-facenet align: photos of a folder to aligned squares in another."""

import argparse
import json

from cl_facenet.arguments import path
from cl_facenet.commands.options import (
    add_skip_unreadable,
    number_left_out,
    print_left_out,
)


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments of `run`."""
    parser.epilog = "cl-facenet align photos aligned"
    parser.add_argument("source", type=path, help="folder of photos, with sub-folders")
    parser.add_argument("target", type=path, help="folder to be made")
    parser.add_argument(
        "--align",
        choices=("dlib", "dlib5", "dlib5_head", "none"),
        default="dlib",
        help="dlib: OpenFace's eyes and nose (default); dlib5: ArcFace's five points; "
        "dlib5_head: these, with hair and chin; none: the central square",
    )
    parser.add_argument(
        "--image-size",
        type=int,
        help="pixels a side (default: 112 for dlib5, else 96)",
    )
    add_skip_unreadable(parser)


def run(arguments: argparse.Namespace) -> None:
    """Aligns, and says in how many photos no face was found."""
    from cl_facenet.align_photos import align_photos
    from cl_facenet.data.preprocessing import Preprocessing

    result = align_photos(
        arguments.source,
        arguments.target,
        Preprocessing.of(arguments.align, arguments.image_size),
        skip_unreadable=arguments.skip_unreadable,
    )
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    missing = (result["no_face"], result["unreadable"])
    photos = f"{arguments.target}: {result['num_photos']:,} photos"
    print(f"{photos}; {number_left_out(*missing)}")
    print_left_out(*missing)
