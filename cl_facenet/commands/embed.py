"""cl-facenet embed: the vectors of all photos in a folder, in a file."""

import argparse
import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cl_facenet.arguments import path
from cl_facenet.commands.options import (
    add_model,
    add_on_missing_face,
    add_skip_unreadable,
    left_out,
    number_left_out,
    print_left_out,
)
from cl_facenet.commands.outputs import add_force, output_file
from cl_facenet.errors import InputError

if TYPE_CHECKING:
    from cl_facenet.embed_photos import Embedded


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments of `run`."""
    parser.epilog = "cl-facenet embed photos --out=embeddings.npz"
    parser.add_argument("folder", type=path, help="photos, in sub-folders or not")
    add_model(parser)
    parser.add_argument(
        "--out",
        type=path,
        required=True,
        metavar="FILE",
        help=".npz: arrays names [N] and embeddings float32 [N, D], and as JSON about, "
        "how they were made; .parquet: columns name and embedding. Where faces were "
        "sought, face_detected, num_faces and fraction_inside (of the crop's area in "
        "the photo), too; a row without a face is NaN",
    )
    add_force(parser)
    add_on_missing_face(parser)
    add_skip_unreadable(parser)


def run(arguments: argparse.Namespace) -> None:
    """Embeds, and says how many photos and which ones not."""
    force, reads = arguments.force, [arguments.folder]
    out = output_file("--out", arguments.out, list(_FORMATS), force=force, reads=reads)
    encode = _FORMATS[out.suffix]
    if encode is _parquet:
        _pyarrow()  # or nobody has to wait for that
    from cl_facenet.embed_photos import embed_folder
    from cl_facenet.loading import load
    from cl_facenet.whole_files import write_whole

    embedder = load(arguments.model)
    embedded = embed_folder(
        embedder,
        arguments.folder,
        skip_unreadable=arguments.skip_unreadable,
        on_missing_face=arguments.on_missing_face,
    )
    about = {"model": arguments.model}
    about |= {"preprocessing": embedder.preprocessing.describe()}
    about |= {"on_missing_face": arguments.on_missing_face}
    write_whole(out, encode(embedded, about), overwrite=force)
    number, size = embedded.vectors.shape
    missing = left_out(embedded)
    if arguments.json:
        result = {"file": str(out), "num_photos": number, "embedding_size": size}
        print(json.dumps(result | missing, indent=2))
        return
    print(f"{out}: {number:,} photos, {size} numbers each; {number_left_out(missing)}")
    print_left_out(missing)


def _npz(embedded: "Embedded", about: Mapping[str, Any]) -> bytes:
    import numpy as np

    arrays: dict[str, Any] = {
        "names": np.array(embedded.names, str),
        "embeddings": embedded.vectors,
        "about": np.array(json.dumps(about)),
    }
    faces = embedded.faces
    if any(face.face_detected is not None for face in faces):
        inside = [face.fraction_inside for face in faces]
        arrays |= {
            "face_detected": np.array([f.face_detected is True for f in faces]),
            "num_faces": np.array([_number(f.num_faces) for f in faces], np.int32),
            "fraction_inside": np.array(inside, np.float32),  # None is NaN
        }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _number(known: int | None) -> int:
    """-1 for what is not known."""
    return -1 if known is None else int(known)


def _parquet(embedded: "Embedded", about: Mapping[str, Any]) -> bytes:
    pa, pq = _pyarrow()
    try:
        column = pa.array(embedded.names, pa.string())
    except UnicodeEncodeError as error:
        raise InputError(
            f"{error.object}: the name is not UTF-8; rename it, or write .npz"
        ) from error
    vectors, faces = embedded.vectors, embedded.faces
    rows = pa.FixedSizeListArray.from_arrays(vectors.ravel(), vectors.shape[1])
    kinds = {
        "face_detected": pa.bool_(),
        "num_faces": pa.int32(),
        "fraction_inside": pa.float32(),
    }
    known = {
        name: pa.array([getattr(face, name) for face in faces], kind)
        for name, kind in kinds.items()
    }
    table = pa.table({"name": column, "embedding": rows, **known})
    buffer = io.BytesIO()
    described = table.replace_schema_metadata({"cl_facenet": json.dumps(about)})
    pq.write_table(described, buffer)
    return buffer.getvalue()


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(
            "Parquet needs pyarrow: pip install 'cl-facenet[parquet]'; or write .npz"
        ) from error
    return pyarrow, pyarrow.parquet


_FORMATS = {".npz": _npz, ".parquet": _parquet}
