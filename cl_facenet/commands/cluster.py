"""cl-facenet cluster: who is who in a folder of photos without names."""

import argparse
import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

from cl_facenet.arguments import path
from cl_facenet.commands.options import (
    add_model,
    add_skip_unreadable,
    left_out,
    number_left_out,
    print_left_out,
)
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
        default=Path("clusters.html"),
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
    add_skip_unreadable(parser)


def run(arguments: argparse.Namespace) -> None:
    """Clusters, writes the page, and says how many clusters there are."""
    if arguments.min_photos < 2:
        raise UsageError(f"--min-photos={arguments.min_photos}: give 2 or more")
    from cl_facenet.embed_photos import embed_folder
    from cl_facenet.loading import load
    from cl_facenet.whole_files import check_place, write_whole

    check_place(arguments.out)
    embedded = embed_folder(
        load(arguments.model),
        arguments.folder,
        skip_unreadable=arguments.skip_unreadable,
        with_thumbnails=True,
    )
    groups, alone = clusters(embedded.vectors, arguments.min_photos)
    page = _page(
        f"Clusters in {arguments.folder.resolve().name}", embedded, groups, alone
    )
    write_whole(arguments.out, page.encode())
    missing = (embedded.no_face, embedded.unreadable)
    if arguments.json:
        result = {
            "file": str(arguments.out),
            "clusters": [[embedded.names[i] for i in group] for group in groups],
            "alone": [embedded.names[i] for i in alone],
        }
        print(json.dumps(result | left_out(*missing), indent=2))
        return
    print(
        f"{arguments.out}: {len(groups):,} clusters of {sum(map(len, groups)):,} "
        f"photos, {len(alone):,} in none; {number_left_out(*missing)}"
    )
    print_left_out(*missing)


def clusters(
    vectors: "np.ndarray", min_photos: int
) -> tuple[list[list[int]], list[int]]:
    """Rows of vectors [N, D] by cluster, the largest first, and those in none.

    By HDBSCAN, which looks for dense places however dense they are; the whole of the
    photos is never one cluster.
    """
    import numpy as np
    from sklearn.cluster import HDBSCAN

    if len(vectors) < min_photos:
        return [], list(range(len(vectors)))
    search = HDBSCAN(min_cluster_size=min_photos, copy=True)
    labels = search.fit_predict(vectors.astype(np.float64))
    groups = [np.flatnonzero(labels == n).tolist() for n in range(labels.max() + 1)]
    groups.sort(key=lambda group: (-len(group), group[0]))
    return groups, np.flatnonzero(labels < 0).tolist()


def _page(
    title: str, embedded: "Embedded", groups: list[list[int]], alone: list[int]
) -> str:
    """A page with its pictures in it, that loads nothing."""
    from cl_facenet.page import template

    photos = [
        {"name": printable(name), "jpeg": base64.b64encode(thumbnail).decode()}
        for name, thumbnail in zip(embedded.names, embedded.thumbnails, strict=True)
    ]
    sections = [
        (f"Cluster {number}", [photos[i] for i in group])
        for number, group in enumerate(groups, start=1)
    ]
    if alone:
        sections.append(("In no cluster", [photos[i] for i in alone]))
    sheet = template(Path(__file__).with_name("contact_sheet.html.jinja"))
    return sheet.render(title=printable(title), sections=sections)
