"""Photos to records, once.

python -m cl_facenet.prepare lfw --source=ARCHIVE --align=dlib
python -m cl_facenet.prepare folder --source=PEOPLE.zip --out=DIR
"""

import argparse
import contextlib
import dataclasses
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from cl_facenet.arguments import OneLineParser, path
from cl_facenet.data import lfw
from cl_facenet.data.archive import fingerprint, unpacked
from cl_facenet.data.folder import folder_source, read_prepared_as
from cl_facenet.data.photos import Source
from cl_facenet.data.preprocessing import ALIGN, Prepared, Preprocessing
from cl_facenet.data.records import (
    check_made_of,
    is_prepared,
    open_records,
    store,
)
from cl_facenet.dataset import lfw_directory
from cl_facenet.errors import InputError, exit_status_of, printable
from cl_facenet.paths import local_path
from cl_facenet.user_cache import default_cache_dir
from cl_facenet.whole_files import check_apart


def main(argv: Sequence[str]) -> int:
    """Prepares photos; what the user can mend is one line and an exit status."""
    arguments = _parser().parse_args(argv)
    return exit_status_of(
        "cl_facenet",
        lambda: arguments.run(arguments),
        when_stopped="stopped; the same command goes on",
        debug=arguments.debug,
    )


def prepare_folder(
    source: Path,
    out: Path,
    align: str | None,
    image_size: int | None,
    *,
    skip_unreadable: bool,
) -> None:
    """Stores the people of a folder or archive in `out`, unless they are there.

    Args:
      align: None: "none", or as the photos were made square before.
      image_size: None: the alignment's own, or that of the photos.

    Raises:
      InputError: unusable photos or archive, or `out` holds something else, which may
        be the same photos as they were, or prepared in another way.
    """
    started = time.monotonic()
    source, out = local_path(source), local_path(out)
    if source.is_dir():
        check_apart(source, out)
    if out.exists() and not is_prepared(out):
        raise InputError(f"{out} exists and holds no prepared photos: choose another")
    # Not Path.resolve(), which raises where links lead in circles.
    name = f"folder-{os.path.basename(os.path.realpath(source)).split('.')[0]}"
    _make_or_check(
        out,
        _Wanted(source, out.parent, name, align, image_size),
        skip_unreadable=skip_unreadable,
        instead="choose another --out",
    )
    _tell(out, str(out), started)


def prepare_lfw(
    source: Path | None,
    protocol: Path | None,
    cache_dir: Path,
    preprocessing: Preprocessing,
) -> None:
    """Stores Labeled Faces in the Wild where --config=...:lfw finds it.

    Args:
      source: an archive, a folder that has one in it, or the folder of people; None:
        downloads the raw photographs.
      protocol: the folder of the six protocol files; None: beside the source if they
        are there, else downloaded.

    Raises:
      InputError: unusable or incomplete photos or protocol files, or another copy of
        the photographs is there.
    """
    started = time.monotonic()
    downloads = cache_dir / "downloads"
    photos_at = lfw.find_photos(source) if source else lfw.download_archive(downloads)
    files = _protocol_files(protocol, photos_at.parent, downloads)
    out = lfw_directory(cache_dir, preprocessing)
    _make_or_check(
        out,
        _Wanted(
            photos_at,
            cache_dir,
            _lfw_name(photos_at),
            preprocessing.align,
            preprocessing.image_size,
            lfw.check_photos,
        ),
        extra_files=files,
        instead="choose another --cache-dir",
    )
    _tell(out, "lfw", started)


@dataclasses.dataclass(frozen=True)
class _Wanted:
    """Photos that are to be prepared.

    Attributes:
      source: a folder or archive.
      workspace: where an archive is unpacked.
      name: what records say they are of.
      align, image_size: None: not asked for.
      check: raises InputError where they are not what they should be.
    """

    source: Path
    workspace: Path
    name: str
    align: str | None
    image_size: int | None
    check: Callable[[Source], None] = lambda photos: None


def _make_or_check(
    out: Path,
    wanted: _Wanted,
    *,
    instead: str,
    skip_unreadable: bool = False,
    extra_files: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """Stores photos in `out` unless some are, and sees that it is these.

    Raises:
      InputError: unusable photos, or others are there; `instead` says what to do.
    """
    with _photos_in(wanted) as (photos, preprocessing):
        if not is_prepared(out):
            wanted.check(photos)
            store(
                photos,
                out,
                preprocessing,
                skip_unreadable=skip_unreadable,
                extra_files=extra_files,
            )
        # Also after that: another process may have stored others first.
        check_made_of(
            open_records(out),
            photos,
            preprocessing,
            skip_unreadable=skip_unreadable,
            instead=instead,
        )


def _protocol_files(
    named: Path | None, beside: Path, downloads: Path
) -> Mapping[str, bytes]:
    if named:
        return lfw.read_protocol_files(named)
    some = any((beside / name).exists() for name in lfw.PROTOCOL_FILES)
    if some and beside != downloads:  # where some may be from a download that failed
        return lfw.read_protocol_files(beside)
    return lfw.download_protocol_files(downloads)


def _lfw_name(photos_at: Path) -> str:
    """What records say they are of: how the photos were aligned, or the file's name."""
    known = lfw.find_alignment(photos_at) if photos_at.is_file() else "unknown"
    name = photos_at.name.split(".")[0].removeprefix("lfw").strip("-_") or "raw"
    return f"lfw-{name if known == 'unknown' else known}"


@contextlib.contextmanager
def _photos_in(
    wanted: _Wanted,
) -> Iterator[tuple[Source, Preprocessing | Prepared]]:
    """The photos of a folder, or of an archive as long as they are needed."""
    if not wanted.source.is_file():
        photos = dataclasses.replace(folder_source(wanted.source), name=wanted.name)
        yield photos, _preprocessing(wanted.source, wanted)
        return
    with unpacked(wanted.source, wanted.workspace) as folder:
        photos = dataclasses.replace(
            folder_source(folder),
            name=wanted.name,
            # Not the time of unpacking, which a folder's fingerprint would have in it.
            fingerprint=fingerprint(wanted.source),
            content="",
        )
        yield photos, _preprocessing(folder, wanted)


def _preprocessing(folder: Path, wanted: _Wanted) -> Preprocessing | Prepared:
    """As asked for, or as the photos of a folder were made square before.

    Raises:
      InputError: they were, and in another way than is asked for.
    """
    made = read_prepared_as(folder)
    if made is None:
        return Preprocessing.of(wanted.align or "none", wanted.image_size)
    for flag, asked in (("align", wanted.align), ("image_size", wanted.image_size)):
        if asked not in (None, made[flag]):
            raise InputError(
                f"{folder} holds photos that were made square before, with {flag} "
                f"{made[flag]}: --{flag.replace('_', '-')}={asked} takes the originals"
            )
    return Prepared(made)


def _tell(directory: Path, data: str, started: float) -> None:
    records = open_records(directory)
    about = f"{len(records):,} photos of {len(records.people):,} people"
    about += f", {records.metadata['source']}, aligned by "
    about += records.metadata["preprocessing"]["align"]
    about += f" ({time.monotonic() - started:.0f} s)"
    print(printable(f"{directory}: {about}"))
    for kind, what in (
        ("skipped", "unreadable, left out"),
        ("faceless", "no face found, cut where one is assumed"),
        ("ignored", "passed over: no photos, hidden or of nobody"),
    ):
        if names := records.metadata[kind]:
            things = "files" if kind == "ignored" else "photos"
            print(f"{len(names)} {things} {what}:")
            print(*(f"  {printable(name)}" for name in names), sep="\n")
    config = printable(shlex.quote(f"configs/nn4.py:{data}"))
    print(f"python -m cl_facenet.main --config={config}")


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m cl_facenet.prepare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(required=True, metavar="lfw|folder")

    faces = kinds.add_parser("lfw", help="Labeled Faces in the Wild")
    faces.set_defaults(run=_run_lfw)
    faces.add_argument(
        "--source",
        type=path,
        help="archive (lfw.tgz, lfw-funneled.tgz, lfw-deepfunneled.tgz), a folder with "
        "one in it, or the unpacked folder (default: downloads lfw.tgz)",
    )
    faces.add_argument(
        "--protocol",
        type=path,
        help="folder of the six protocol files, pairs.txt and so on (default: beside "
        "the source, or downloaded)",
    )
    faces.add_argument(
        "--cache-dir",
        type=path,
        help="data.cache_dir of the training (default: ~/.cache/cl_facenet, or where "
        "XDG_CACHE_HOME says)",
    )

    folder = kinds.add_parser("folder", help="any folder or archive of people")
    folder.set_defaults(run=_run_folder)
    folder.add_argument(
        "--source",
        type=path,
        required=True,
        help="folder, tar or zip; one sub-folder a person",
    )
    folder.add_argument("--out", type=path, required=True, help="folder to be made")
    folder.add_argument(
        "--skip-unreadable", action="store_true", help="leave such photos out"
    )
    for kind in (faces, folder):
        kind.add_argument(
            "--align",
            choices=ALIGN,
            help="none: the central square (default); dlib: OpenFace's eyes and nose; "
            "dlib5: ArcFace's five points; dlib5_head: these, with hair and chin",
        )
        kind.add_argument(
            "--image-size",
            type=int,
            help="pixels a side (default: 112 for dlib5, else 96)",
        )
        kind.add_argument(
            "--debug", action="store_true", help="show the traceback of an error"
        )
    return parser


def _run_lfw(arguments: argparse.Namespace) -> None:
    prepare_lfw(
        arguments.source,
        arguments.protocol,
        arguments.cache_dir or default_cache_dir(),
        Preprocessing.of(arguments.align or "none", arguments.image_size),
    )


def _run_folder(arguments: argparse.Namespace) -> None:
    prepare_folder(
        arguments.source,
        arguments.out,
        arguments.align,
        arguments.image_size,
        skip_unreadable=arguments.skip_unreadable,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
