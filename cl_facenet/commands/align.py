"""cl-facenet align: photos of a folder to aligned squares in another."""

import argparse
import json

from cl_facenet.arguments import path
from cl_facenet.commands.options import (
    add_skip_unreadable,
    number_left_out,
    print_left_out,
)
from cl_facenet.commands.outputs import add_former_output, required_output
from cl_facenet.whole_files import check_folder_name

_EXAMPLE = "cl-facenet align photos --out=aligned"


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments of `run`."""
    parser.epilog = _EXAMPLE
    parser.add_argument("source", type=path, help="folder of photos, with sub-folders")
    add_former_output(parser)
    parser.add_argument(
        "--out", type=path, metavar="FOLDER", help="required: to be made"
    )
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
    """Aligns, and says in how many photos no face was found, or several."""
    out = required_output(arguments, _EXAMPLE)
    check_folder_name(out)
    from cl_facenet.align_photos import align_photos
    from cl_facenet.data.preprocessing import Preprocessing

    result = align_photos(
        arguments.source,
        out,
        Preprocessing.of(arguments.align, arguments.image_size),
        skip_unreadable=arguments.skip_unreadable,
    )
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    photos = result.pop("num_photos")
    print(f"{out}: {photos:,} photos; {number_left_out(result)}")
    print_left_out(result)
    if result["no_face"]:
        print("a photo without a face is cut at its middle, and its PNG says so")
