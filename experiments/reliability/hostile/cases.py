"""Hostile input by kind and seed, given to the package as users would, and its outcome.

A case is made in an empty folder of its own. What there is of it afterwards outside of
the folder that the package was told to write to has to be what was there before.
"""

import contextlib
import io
import os
import random
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import PIL

from cl_facenet import prepare
from cl_facenet.data.photos import open_photo
from cl_facenet.data.records import open_records
from cl_facenet.errors import InputError, printable
from cl_facenet.interop.weights import read_weights
from cl_facenet.params import merge
from experiments.reliability.hostile import archives, folders, photos, weights

KINDS = {
    "photos": photos.KINDS,
    "archives": archives.KINDS,
    "folders": folders.KINDS,
    "weights": weights.KINDS,
}
NOBODY = 65534
PILLOW = Path(PIL.__file__).parent
LONGEST = 60  # seconds for a case; they take milliseconds


@dataclass(frozen=True)
class Case:
    """One input: what it is of, which kind, and what decides the rest of it."""

    family: str
    kind: str
    seed: int

    @property
    def may_be(self) -> list[str]:
        """The outcomes that are right: read, skipped or refused.

        Skipped: an error that names the photo, and left out where that is asked for.
        """
        return KINDS[self.family][self.kind][1].split(" or ")


def make_cases(number: int, seed: int) -> list[Case]:
    """At least so many, as many of each kind."""
    kinds = [(family, kind) for family, own in KINDS.items() for kind in own]
    each = -(-number // len(kinds))
    return [
        Case(family, kind, seed * 1_000_000 + i)
        for family, kind in kinds
        for i in range(each)
    ]


class WrongError(Exception):
    """Something has happened that may not; the message says what."""


def outcome(case: Case) -> str:
    """What came of it: read, skipped, refused, or what went wrong."""
    with tempfile.TemporaryDirectory() as name:
        # So deep that a name that leads out ends up inside.
        room = Path(name, "a/b/c")
        (room / "given").mkdir(parents=True)
        (room / "target").mkdir()
        try:
            give = _made(case, room)
            before = _others(Path(name), room / "target")
            try:
                with _no_warnings(), _in_time():
                    return give()
            finally:  # whatever else is wrong
                if _others(Path(name), room / "target") != before:
                    raise WrongError("changes what is not its own")
        except WrongError as error:
            return f"WRONG: {error}"
        except Exception as error:
            return f"WRONG: {type(error).__name__}: {error}"
        finally:
            _make_accessible(room)


def _made(case: Case, room: Path) -> Callable[[], str]:
    """Makes a case; what is returned gives it to the package."""
    make = KINDS[case.family][case.kind][0]
    rng = random.Random(f"{case.family}, {case.kind}, {case.seed}")
    given, target = room / "given", room / "target"
    if case.family == "photos":
        content, ending, shown = make(rng)
        photo = given / f"ann/photo.{ending}"
        folders.photo(given / "bob/good.png", random.Random(0))
        photo.parent.mkdir()
        photo.write_bytes(content)
        return partial(_read_photo, photo, shown, given, target)
    if case.family == "archives":
        content, ending, names = make(rng, room)
        (given / f"people.{ending}").write_bytes(content)
        return partial(_prepare, given / f"people.{ending}", names, target)
    if case.family == "weights":
        return partial(_read_weights, make(given, rng))
    source, names = make(given, rng)
    if case.kind in folders.AS_NOBODY:
        return partial(_prepare_as_nobody, source, names, target)
    return partial(_prepare, source, names, target)


def _read_photo(
    photo: Path, shown: photos.Shown | None, folder: Path, target: Path
) -> str:
    """By itself, and among the photos of a folder."""
    names, wanted = ["ann/" + photo.name, "bob/good.png"], "read"
    try:
        pixels = np.asarray(open_photo(photo))
    except InputError as error:
        _check_line(str(error), photo.name)
        names, wanted = names[1:], "skipped"
    else:
        if shown is not None:
            _compare(pixels, shown)
    found = _prepare(folder, names, target, photo.name)
    if found != wanted:
        raise WrongError(f"{wanted} by itself, {found} in a folder")
    return found


def _compare(pixels: np.ndarray, shown: photos.Shown) -> None:
    if pixels.shape != shown.pixels.shape:
        raise WrongError(f"of shape {pixels.shape}, not {shown.pixels.shape}")
    most = int(np.abs(pixels.astype(int) - shown.pixels).max())
    if most > shown.within:
        raise WrongError(f"pixels differ by {most}, not by {shown.within}")


def _prepare(
    source: Path, names: list[str] | None, target: Path, named: str | None = None
) -> str:
    """Prepares a folder or archive, and again without its unreadable photos."""
    for found, more in (("read", []), ("skipped", ["--skip-unreadable"])):
        flags = [
            f"--source={source}",
            f"--out={target / 'out'}",
            "--image-size=8",
            *more,
        ]
        said, complained = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
            status = prepare.main(["folder", *flags])
        said.getvalue().encode()  # any terminal can show it
        left = sorted(path.name for path in target.iterdir())
        if status == 0:
            if left != ["out"]:
                raise WrongError(f"prepared, and there is {left}")
            _check_records(target / "out", names)
            return found
        if status != 1:
            raise WrongError(f"exit status {status}")
        if left:
            raise WrongError(f"refused, and there is {left}")
        _check_line(complained.getvalue().removesuffix("\n"), named or source.name)
    return "refused"


def _check_records(out: Path, names: list[str] | None) -> None:
    records = open_records(out)
    records.images(range(len(records)))
    if names is not None and sorted(records.names()) != sorted(names):
        raise WrongError(f"holds {records.names()}, not {names}")


def _check_line(line: str, named: str) -> None:
    """One line that a terminal can show, with the name of what is wrong."""
    if not line.isprintable():
        raise WrongError(f"more than a line: {line!r}")
    if printable(named) not in line:
        raise WrongError(f"does not name {named!r}: {line}")


def _read_weights(path: Path) -> str:
    try:
        merge(read_weights(path, weights.LIKE), weights.LIKE, source=str(path))
    except InputError as error:
        _check_line(str(error), path.name)
        return "refused"
    return "read"


@contextlib.contextmanager
def _no_warnings() -> Iterator[None]:
    """But for Pillow's own, which go where the user's filters send them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    own = [one for one in caught if not Path(one.filename).is_relative_to(PILLOW)]
    if own:
        raise WrongError(f"warns: {own[0].message}")


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
    """Ends what waits for ever, as for a pipe's other end."""

    def too_late(*_: object) -> None:
        raise WrongError(f"takes more than {LONGEST} seconds")

    before = signal.signal(signal.SIGALRM, too_late)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _others(root: Path, target: Path) -> dict[str, tuple[int, ...]]:
    """All below `root` but what is below `target`: modes, sizes and times."""
    found = {}
    for parent, names, files in os.walk(root):
        for name in [*names, *files]:
            status = os.lstat(os.path.join(parent, name))
            about = (status.st_mode, status.st_size, status.st_mtime_ns)
            found[os.path.join(parent, name)] = about
        names[:] = [name for name in names if os.path.join(parent, name) != str(target)]
    return {path: about for path, about in found.items() if path != str(target)}


def _prepare_as_nobody(source: Path, names: list[str] | None, target: Path) -> str:
    """Root may look at everything: whoever runs this as root is nobody meanwhile."""
    if os.geteuid():
        return _prepare(source, names, target)
    room = target.parent
    for path in (room, *room.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    os.chmod(room.parents[2], 0o755)
    os.seteuid(NOBODY)
    try:
        return _prepare(source, names, target)
    finally:
        os.seteuid(0)


def _make_accessible(folder: Path) -> None:
    """So that it can be deleted."""
    for parent, names, _ in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                os.chmod(path, 0o755)
