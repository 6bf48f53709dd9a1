"""Photos to records, once: python -m cl_facenet.prepare folder --source=PEOPLE.zip"""

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from cl_facenet.data.archive import fingerprint, unpacked
from cl_facenet.data.folder import folder_source
from cl_facenet.data.photos import Source
from cl_facenet.data.records import is_prepared, open_records, store
from cl_facenet.errors import InputError


def main(argv: Sequence[str]) -> int:
    """Prepares photos; what the user can mend is one line and an exit status."""
    arguments = _parser().parse_args(argv)
    try:
        prepare_folder(
            Path(arguments.source).expanduser(),
            Path(arguments.out).expanduser(),
            image_size=arguments.image_size,
            skip_unreadable=arguments.skip_unreadable,
        )
    except InputError as error:
        print(f"cl_facenet: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("cl_facenet: stopped, nothing is written", file=sys.stderr)
        return 130
    return 0


def prepare_folder(
    source: Path, out: Path, *, image_size: int, skip_unreadable: bool
) -> None:
    """Stores the people of a folder or archive in `out`, unless they are there.

    Raises:
        InputError: unusable photos or archive, or `out` holds something else.
    """
    if out.exists() and not is_prepared(out):
        raise InputError(f"{out} exists and holds no prepared photos: choose another")
    if not out.exists():
        with _photos_in(source, workspace=out.parent) as photos:
            store(photos, out, image_size=image_size, skip_unreadable=skip_unreadable)
    records = open_records(out)
    skipped = len(records.metadata["skipped"])
    print(
        f"{out}: {len(records):,} photos of {len(records.people):,} people"
        f"{f', {skipped} unreadable ones skipped' if skipped else ''}\n"
        f"python -m cl_facenet.main --config=configs/nn4.py:{out}"
    )


@contextlib.contextmanager
def _photos_in(source: Path, workspace: Path) -> Iterator[Source]:
    if not source.is_file():
        yield folder_source(source)
        return
    with unpacked(source, workspace) as folder:
        name = source.name.split(".")[0]
        photos = folder_source(folder)
        # Not the time of unpacking, which a folder's fingerprint would have in it.
        yield dataclasses.replace(
            photos, name=f"folder-{name}", fingerprint=fingerprint(source)
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cl_facenet.prepare", description=__doc__
    )
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    folder = kinds.add_parser("folder", help="any folder or archive of people")
    folder.add_argument(
        "--source", required=True, help="folder, tar or zip; one sub-folder a person"
    )
    folder.add_argument("--out", required=True, help="folder to be made")
    folder.add_argument("--image-size", type=int, default=96, help="pixels a side")
    folder.add_argument(
        "--skip-unreadable", action="store_true", help="leave such photos out"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
