"""cl-facenet embed: the vectors of all photos in a folder, in a file."""

import argparse
import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cl_facenet.arguments import path
from cl_facenet.commands.options import (
    add_model,
    add_skip_unreadable,
    left_out,
    number_left_out,
    print_left_out,
)
from cl_facenet.errors import InputError, UsageError

if TYPE_CHECKING:
    import numpy as np


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
        "how they were made; .parquet: columns name and embedding",
    )
    add_skip_unreadable(parser)


def run(arguments: argparse.Namespace) -> None:
    """Embeds, and says how many photos and which ones not."""
    encode = _FORMATS.get(arguments.out.suffix)
    if encode is None:
        raise UsageError(f"--out={arguments.out}: it ends in {' or '.join(_FORMATS)}")
    if encode is _parquet:
        _pyarrow()  # or nobody has to wait for that
    from cl_facenet.embed_photos import embed_folder
    from cl_facenet.loading import load
    from cl_facenet.whole_files import check_place, write_whole

    check_place(arguments.out)
    embedder = load(arguments.model)
    embedded = embed_folder(
        embedder, arguments.folder, skip_unreadable=arguments.skip_unreadable
    )
    about = {"model": arguments.model}
    about |= {"preprocessing": embedder.preprocessing.describe()}
    write_whole(arguments.out, encode(embedded.names, embedded.vectors, about))
    number, size = embedded.vectors.shape
    missing = (embedded.no_face, embedded.unreadable)
    if arguments.json:
        result = {"file": str(arguments.out), "num_photos": number}
        result |= {"embedding_size": size}
        print(json.dumps(result | left_out(*missing), indent=2))
        return
    print(
        f"{arguments.out}: {number:,} photos, {size} numbers each; "
        f"{number_left_out(*missing)}"
    )
    print_left_out(*missing)


def _npz(
    names: Sequence[str], vectors: "np.ndarray", about: Mapping[str, Any]
) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.savez(
        buffer,
        names=np.array(names, str),
        embeddings=vectors,
        about=np.array(json.dumps(about)),
    )
    return buffer.getvalue()


def _parquet(
    names: Sequence[str], vectors: "np.ndarray", about: Mapping[str, Any]
) -> bytes:
    pa, pq = _pyarrow()
    try:
        column = pa.array(names, pa.string())
    except UnicodeEncodeError as error:
        raise InputError(
            f"{error.object}: the name is not UTF-8; rename it, or write .npz"
        ) from error
    rows = pa.FixedSizeListArray.from_arrays(vectors.ravel(), vectors.shape[1])
    table = pa.table({"name": column, "embedding": rows})
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
