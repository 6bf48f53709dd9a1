"""Photos as users have them: ORL's faces, and pictures without any face."""

import contextlib
import io
import itertools
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from cl_facenet import cli, prepare
from cl_facenet.data.orl import orl_source

SHIPPED = "nn4_small2_lfw"
PROGRAMS = {"cl-facenet": cli.main, "prepare": prepare.main}
ORL = orl_source().photos  # ten photos of each of 40 people, in their order


def face(person: int, photo: int, side: int = 224) -> Image.Image:
    """A photo of ORL, enlarged until dlib's detector sees its face."""
    image = ORL[10 * person + photo].read()
    return image.resize((round(side * image.width / image.height), side))


def faceless(seed: int, kind: str) -> Image.Image:
    """A picture of 240 x 240 pixels that shows nobody."""
    rng = np.random.default_rng(seed)
    if kind == "one colour":
        return Image.new("RGB", (240, 240), tuple(rng.integers(0, 256, 3).tolist()))
    if kind == "noise":
        return Image.fromarray(rng.integers(0, 256, (240, 240, 3), np.uint8))
    if kind == "wall":  # bricks
        rows = np.kron(rng.integers(90, 140, (12, 6)), np.ones((20, 40)))
        rows[::20] = 200
        return Image.fromarray(rows.astype(np.uint8)).convert("RGB")
    blurred = Image.fromarray(rng.integers(0, 256, (15, 15, 3), np.uint8))
    return blurred.resize((240, 240), Image.Resampling.BICUBIC).filter(
        ImageFilter.GaussianBlur(4)
    )


FACELESS = ("one colour", "noise", "wall", "clouds")


def write_people(
    folder: Path, people: int = 3, photos: int = 2, ending: str = "png"
) -> list[str]:
    """A sub-folder a person; the names of the photos."""
    names = []
    for person, photo in itertools.product(range(people), range(photos)):
        names.append(f"s{person}/{photo}.{ending}")
        path = folder / names[-1]
        path.parent.mkdir(parents=True, exist_ok=True)
        face(person, photo).save(path)
    return names


def shell(line: str) -> tuple[int, str, str]:
    """Runs a line of cl-facenet or of prepare: exit status, output, errors."""
    program, *arguments = shlex.split(line)
    said, complained = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
        try:
            status = PROGRAMS[program](arguments)
        except SystemExit as stopped:  # argparse's
            status = int(str(stopped.code))
    return status, said.getvalue(), complained.getvalue()


def answer(line: str) -> dict[str, Any]:
    """The JSON that a command prints, and its exit status."""
    status, out, err = shell(f"{line} --json")
    if not out:
        raise AssertionError(f"{line}: exit status {status}, {err}")
    return json.loads(out) | {"status": status}


def one_line(status: int, err: str, *says: str, wanted: int = 1) -> str:
    """What is wrong with an error, if anything: more than a line, or other words."""
    if status != wanted:
        return f"exit status {status}: {err.strip()[-200:]}"
    lines = err.strip().splitlines()
    if len(lines) != 1:
        return f"{len(lines)} lines"
    missing = [word for word in says if word not in lines[0]]
    return f"does not say {', '.join(missing)}: {lines[0]}" if missing else ""
