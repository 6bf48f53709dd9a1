"""cl-facenet cluster: who is who in a folder of photos without names."""

import argparse
import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

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
from cl_facenet.errors import UsageError, printable

if TYPE_CHECKING:
    import numpy as np

    from cl_facenet.embed_photos import Embedded


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the arguments of `run`."""
    parser.epilog = "cl-facenet cluster photos --out=who.html"
    parser.add_argument("folder", type=path, help="photos, in sub-folders or not")
    add_model(parser)
    parser.add_argument(
        "--out",
        type=path,
        default="clusters.html",
        metavar="FILE",
        help="page with the photos of each cluster (default: clusters.html)",
    )
    parser.add_argument(
        "--min-photos",
        type=int,
        default=3,
        metavar="N",
        help="the fewest photos that make a cluster, 2 or more (default: 3)",
    )
    add_force(parser)
    add_on_missing_face(parser)
    add_skip_unreadable(parser)


def run(arguments: argparse.Namespace) -> None:
    """Clusters, writes the page, and says how many clusters there are."""
    if arguments.min_photos < 2:
        raise UsageError(f"--min-photos={arguments.min_photos}: give 2 or more")
    force, reads = arguments.force, [arguments.folder]
    out = output_file("--out", arguments.out, [".html"], force=force, reads=reads)
    from cl_facenet.embed_photos import embed_folder
    from cl_facenet.loading import load
    from cl_facenet.whole_files import write_whole

    embedded = embed_folder(
        load(arguments.model),
        arguments.folder,
        skip_unreadable=arguments.skip_unreadable,
        on_missing_face=arguments.on_missing_face,
        with_thumbnails=True,
    )
    groups, alone = clusters(embedded.vectors, arguments.min_photos)
    page = _page(
        f"Clusters in {arguments.folder.resolve().name}", embedded, groups, alone
    )
    write_whole(out, page.encode(), overwrite=force)
    missing = left_out(embedded)
    if arguments.json:
        result = {
            "file": str(out),
            "clusters": [[embedded.names[i] for i in group] for group in groups],
            "alone": [embedded.names[i] for i in alone],
        }
        print(json.dumps(result | missing, indent=2))
        return
    print(
        f"{out}: {len(groups):,} clusters of {sum(map(len, groups)):,} "
        f"photos, {len(alone):,} in none; {number_left_out(missing)}"
    )
    print_left_out(missing)


def clusters(
    vectors: "np.ndarray", min_photos: int
) -> tuple[list[list[int]], list[int]]:
    """Rows of vectors [N, D] by cluster, the largest first, and those in none.

    By HDBSCAN, which looks for dense places however dense they are; the whole of the
    photos is never one cluster. Rows of NaN, as of photos without a face, are in
    neither.
    """
    import numpy as np
    from sklearn.cluster import HDBSCAN

    known = np.flatnonzero(~np.isnan(vectors).any(1))
    if len(known) < min_photos:
        return [], known.tolist()
    search = HDBSCAN(min_cluster_size=min_photos, copy=True)
    labels = search.fit_predict(vectors[known].astype(np.float64))
    groups = [known[labels == n].tolist() for n in range(labels.max() + 1)]
    groups.sort(key=lambda group: (-len(group), group[0]))
    return groups, known[labels < 0].tolist()


def _page(
    title: str, embedded: "Embedded", groups: list[list[int]], alone: list[int]
) -> str:
    """A page with its pictures in it, that loads nothing."""
    from cl_facenet.page import template

    photos = [
        {
            "name": "; ".join([printable(name), *face.notes()]),
            "jpeg": base64.b64encode(thumbnail).decode(),
        }
        for (name, face), thumbnail in zip(
            embedded.named_faces(), embedded.thumbnails, strict=True
        )
    ]
    sections = [
        (f"Cluster {number}", [photos[i] for i in group])
        for number, group in enumerate(groups, start=1)
    ]
    if alone:
        sections.append(("In no cluster", [photos[i] for i in alone]))
    if not embedded.has_vector.all():
        faceless = (~embedded.has_vector).nonzero()[0]
        sections.append(("No face found", [photos[i] for i in faceless]))
    sheet = template(Path(__file__).with_name("contact_sheet.html.jinja"))
    return sheet.render(title=printable(title), sections=sections)
