"""Which files are photos: their first bytes say so, whatever their names say.

A camera's raw file is none, even where it is a TIFF inside: what is read of it there is
a preview of 160 x 120 pixels or less.
"""

import os
import re
from functools import partial
from typing import BinaryIO, Literal

HEIF = "HEIF"
RAW = "a camera's raw file, or another whose first picture is a preview only"

HEAD = 256  # bytes that are looked at

# By Pillow's name of the format. Two letters are not enough where a text may begin so.
_SIGNATURES = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "GIF": rb"GIF8[79]a",
    "WEBP": rb"RIFF.{4}WEBP",
    "TIFF": rb"II[*+]\0|MM\0[*+]|II\0\*|MM\*\0",
    "BMP": rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0",
    "PPM": rb"P[1-6]\s+(?:#|\d+\s+(?:#|\d+\s))",
    "JPEG2000": rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n",
}
_BEGINS = {name: re.compile(own, re.DOTALL) for name, own in _SIGNATURES.items()}

# Of the containers that begin with a box `ftyp`: what is in it, by its brands.
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {
    *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"),
    *(b"mif1", b"mif2", b"msf1"),
}

_ENDINGS = {
    *("apng", "avif", "avifs", "bmp", "dib", "gif", "heic", "heics", "heif", "heifs"),
    *("hif", "j2c", "j2k", "jfi", "jfif", "jif", "jp2", "jpc", "jpe", "jpeg", "jpf"),
    *("jpg", "jpx", "mpo", "pbm", "pgm", "png", "pnm", "ppm", "tif", "tiff", "webp"),
}
_RAW_ENDINGS = {
    *("3fr", "arw", "cr2", "dcr", "dng", "erf", "fff", "iiq", "k25", "kdc", "mef"),
    *("mos", "nef", "nrw", "pef", "rw2", "sr2", "srf", "srw"),
}

# Tags of TIFF, and what they say of a first picture that is not the photo.
_SUBFILE, _PHOTOMETRIC, _DNG_VERSION = 254, 262, 50706
_RAW_PIXELS = {32803, 34892}


def is_named_like_one(name: str) -> bool:
    """Whether the ending says that it is a photo: .jpg, .HEIC, .jpg_large."""
    return _ending(name) in _ENDINGS


def without_ending(name: str) -> str:
    """The name without an ending that says photo; J.R.Smith has none."""
    return os.path.splitext(name)[0] if is_named_like_one(name) else name


def _ending(name: str) -> str:
    """As letters: that of a.JPG_large is jpg."""
    return re.split(r"[^a-z0-9]", os.path.splitext(name)[1][1:].lower())[0]


def format_of(file: BinaryIO, name: str) -> str | None:
    """What an open file is by its content: Pillow's name of a format, HEIF or RAW.

    None: no photo that is known. It may be damaged behind its first bytes.

    Raises:
        OSError: it cannot be read.
    """
    head = file.read(HEAD)
    if head[4:8] == b"ftyp":
        return _of_container(head)
    found = next((own for own, begin in _BEGINS.items() if begin.match(head)), None)
    if found != "TIFF":
        return found
    return RAW if _ending(name) in _RAW_ENDINGS or _is_raw(file, head) else found


def _of_container(head: bytes) -> str | None:
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    return HEIF if brands & _HEIF_BRANDS else None


def _is_raw(file: BinaryIO, head: bytes) -> bool:
    """Whether the first picture of a TIFF is a preview, or pixels of a sensor."""
    order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
    number = partial(int.from_bytes, byteorder=order)

    if 43 in head[2:4]:  # BigTIFF: no camera's
        return False
    if head[8:10] == b"CR":  # Canon's
        return True
    file.seek(number(head[4:8]))
    entries = file.read(12 * number(file.read(2)))
    for at in range(0, len(entries) - 11, 12):
        tag, kind = number(entries[at : at + 2]), number(entries[at + 2 : at + 4])
        value = number(entries[at + 8 : at + (10 if kind == 3 else 12)])
        if tag == _DNG_VERSION or (tag == _SUBFILE and value & 1):
            return True
        if tag == _PHOTOMETRIC and value in _RAW_PIXELS:
            return True
    return False
