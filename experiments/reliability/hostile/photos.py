"""Photos as nobody should send them, and what is to come of each.

A maker takes a random generator and returns a file's content, its ending, and the
pixels that it shows; None where it shows none, or where nobody can say which.
"""

import io
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from PIL import Image


class Shown(NamedTuple):
    """Pixels uint8 [H, W, 3], and by how much a reader may differ from them."""

    pixels: np.ndarray
    within: int = 0


Photo = tuple[bytes, str, Shown | None]

LOSSLESS = {
    "bmp": ("BMP", {}),
    "png": ("PNG", {}),
    "ppm": ("PPM", {}),
    "tif": ("TIFF", {}),
    "webp": ("WEBP", {"lossless": True}),
}
LOSSY = {"jpg": ("JPEG", {"quality": 95, "subsampling": 0})}
ENDINGS = (*LOSSLESS, *LOSSY, "gif", "jpeg", "pgm")
ORIENTATION = 0x0112


def scene(rng: random.Random) -> np.ndarray:
    """Four areas of one colour each, so that it looks the same after no turn."""
    height, width = rng.sample(range(16, 80, 16), 2)
    colours = np.array([[rng.randrange(256) for _ in range(3)] for _ in range(4)])
    grid = colours.reshape(2, 2, 3).astype(np.uint8)
    return grid.repeat(height // 2, axis=0).repeat(width // 2, axis=1)


def encoded(image: np.ndarray | Image.Image, form: str, **options: Any) -> bytes:
    """An image's file in one of Pillow's formats."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def any_file(rng: random.Random) -> tuple[bytes, str, Shown]:
    """A sound photo of any format."""
    pixels = scene(rng)
    ending = rng.choice([*LOSSLESS, *LOSSY])
    form, options = (LOSSLESS | LOSSY)[ending]
    shown = Shown(pixels, 6 if ending in LOSSY else 0)
    return encoded(pixels, form, **options), ending, shown


def png(
    width: int, height: int, depth: int, colour: int, rows: bytes, *more: bytes
) -> bytes:
    """A PNG file by its parts; `more` are chunks, their names in front."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [b"IHDR" + header, *more, b"IDAT" + zlib.compress(rows), b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in chunks
    )


def wrong_ending(rng: random.Random) -> Photo:
    content, ending, shown = any_file(rng)
    return content, rng.choice([e for e in ENDINGS if e != ending]), shown


def cmyk(rng: random.Random) -> Photo:
    levels = _four(rng)
    ink, black = 255 - levels[..., :3].astype(int), 255 - levels[..., 3:].astype(int)
    shown = np.round(ink * black / 255).astype(np.uint8)
    image = Image.fromarray(levels, "CMYK")
    if rng.random() < 0.5:
        return encoded(image, "TIFF"), "tif", Shown(shown, 2)
    return encoded(image, "JPEG", quality=95, subsampling=0), "jpg", Shown(shown, 10)


def _four(rng: random.Random) -> np.ndarray:
    """A scene of four channels."""
    colour = scene(rng)
    last = colour[::-1, :, :1] if rng.random() < 0.5 else colour[:, ::-1, 1:2]
    return np.ascontiguousarray(np.dstack([colour, last]))


def grey_16_bit(rng: random.Random) -> Photo:
    levels = scene(rng)[..., 0].astype(np.uint16) * 256 + rng.randrange(256)
    shown = np.repeat((levels >> 8).astype(np.uint8)[..., None], 3, axis=2)
    height, width = levels.shape
    big_endian = levels.astype(">u2").tobytes()
    form = rng.choice(["png", "tif", "pgm"])
    if form == "pgm":
        return b"P5\n%d %d\n65535\n" % (width, height) + big_endian, form, Shown(shown)
    if form == "tif":
        return encoded(levels, "TIFF"), form, Shown(shown)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    return png(width, height, 16, 0, rows), form, Shown(shown)


def grey_10_to_15_bit(rng: random.Random) -> Photo:
    """As cameras count: the brightest is 1023, or 16383."""
    brightest = 2 ** rng.randint(10, 15) - 1
    levels = scene(rng)[..., 0] / 255 * brightest
    shown = np.repeat((levels / brightest * 255).astype(np.uint8)[..., None], 3, axis=2)
    height, width = levels.shape
    head = b"P5\n%d %d\n%d\n" % (width, height, brightest)
    return head + levels.astype(">u2").tobytes(), "pgm", Shown(shown, 1)


def colour_16_bit(rng: random.Random) -> Photo:
    pixels = scene(rng)
    alpha = [np.full_like(pixels[..., :1], 255)] if rng.random() < 0.5 else []
    levels = np.dstack([pixels, *alpha]).astype(np.uint16) * 257
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    height, width = pixels.shape[:2]
    return png(width, height, 16, 6 if alpha else 2, rows), "png", Shown(pixels)


def alpha(rng: random.Random) -> Photo:
    levels = _four(rng)
    share = levels[..., 3:] / 255
    shown = np.round(levels[..., :3] * share + 255 * (1 - share)).astype(np.uint8)
    ending = rng.choice(["png", "tif", "webp"])
    form, options = LOSSLESS[ending]
    if ending == "webp":
        options = options | {"exact": True}
    return encoded(levels, form, **options), ending, Shown(shown, 2)


def grey_with_alpha(rng: random.Random) -> Photo:
    levels = np.ascontiguousarray(_four(rng)[..., 2:])
    share = levels[..., 1:] / 255
    grey = np.round(levels[..., :1] * share + 255 * (1 - share)).astype(np.uint8)
    content = encoded(Image.fromarray(levels, "LA"), "PNG")
    return content, "png", Shown(grey.repeat(3, axis=2), 2)


def transparent_palette(rng: random.Random) -> Photo:
    places = np.kron([[0, 1], [2, 3]], np.ones((16, 24))).astype(np.uint8)
    colours = np.array([[rng.randrange(256) for _ in range(3)] for _ in range(4)])
    image = Image.fromarray(places)
    image.putpalette(colours.astype(np.uint8).tobytes())
    clear = rng.randrange(4)
    colours[clear] = 255
    ending = rng.choice(["png", "gif"])
    content = encoded(image, ending, transparency=clear)
    return content, ending, Shown(colours[places].astype(np.uint8))


def black_and_white(rng: random.Random) -> Photo:
    light = (scene(rng)[..., 0] > 127).astype(np.uint8) * 255
    ending = rng.choice(["png", "tif", "bmp"])
    image = Image.fromarray(light).convert("1")
    content = encoded(image, LOSSLESS[ending][0])
    return content, ending, Shown(np.repeat(light[..., None], 3, axis=2))


def turned(rng: random.Random) -> Photo:
    stored, orientation = scene(rng), rng.randint(1, 8)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    ending = rng.choice(["jpg", "png", "tif", "webp"])
    form, options = (LOSSLESS | LOSSY)[ending]
    content = encoded(stored, form, exif=exif, **options)
    return content, ending, Shown(upright(stored, orientation), 6 * (ending == "jpg"))


def upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    """What EXIF's eight orientations mean, by the standard's words."""
    rows_first = stored.transpose(1, 0, 2)
    return {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: rows_first,
        6: rows_first[:, ::-1],
        7: rows_first[::-1, ::-1],
        8: rows_first[::-1],
    }[orientation]


def senseless_orientation(rng: random.Random) -> Photo:
    pixels, exif = scene(rng), Image.Exif()
    exif[ORIENTATION] = rng.choice([0, 9, 255, 65535])
    content = encoded(pixels, "JPEG", exif=exif, quality=95, subsampling=0)
    return content, "jpg", Shown(pixels, 6)


def damaged_exif(rng: random.Random) -> Photo:
    pixels = scene(rng)
    exif = b"Exif\0\0" + rng.choice([b"", b"II", b"MM\0*", b"xx"])
    exif += bytes(rng.choices(range(200, 256), k=rng.randrange(40)))
    content = encoded(pixels, "JPEG", exif=exif, quality=95, subsampling=0)
    return content, "jpg", Shown(pixels, 6)


def half_damaged_exif(rng: random.Random) -> Photo:
    """The orientation is sound, and a text behind it lies outside of the file."""
    stored, orientation = scene(rng), rng.randint(2, 8)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2)
    exif += struct.pack("<HHII", ORIENTATION, 3, 1, orientation)
    exif += struct.pack("<HHII", 0x9286, 2, rng.randrange(5, 2**31), 0xFFFFFF00)
    content = encoded(stored, "JPEG", exif=exif, quality=95, subsampling=0)
    return content, "jpg", Shown(upright(stored, orientation), 6)


def animated(rng: random.Random) -> Photo:
    pixels = scene(rng)
    others = [Image.fromarray(255 - pixels) for _ in range(rng.randint(1, 4))]
    ending, form, options = rng.choice(
        [
            ("gif", "GIF", {}),
            ("png", "PNG", {}),
            ("tif", "TIFF", {}),
            ("webp", "WEBP", {"lossless": True}),
            ("jpg", "MPO", {"quality": 95, "subsampling": 0}),
        ]
    )
    content = encoded(pixels, form, save_all=True, append_images=others, **options)
    return content, ending, Shown(pixels, 6 * (form == "MPO"))


def thin(rng: random.Random) -> Photo:
    size = rng.sample([1, rng.randint(1000, 20_000)], 2)
    pixels = np.full((*size, 3), rng.randrange(256), np.uint8)
    return encoded(pixels, "PNG"), "png", Shown(pixels)


def more_behind(rng: random.Random) -> Photo:
    content, ending, shown = any_file(rng)
    return content + rng.randbytes(rng.randrange(1, 5000)), ending, shown


def cut_short(rng: random.Random) -> Photo:
    content, ending, shown = any_file(rng)
    return content[: rng.randrange(1, len(content))], ending, shown


def changed_bytes(rng: random.Random) -> Photo:
    content, ending, _ = any_file(rng)
    changed = bytearray(content)
    for _ in range(rng.randint(1, 20)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed), ending, None


def empty(rng: random.Random) -> Photo:
    return b"", rng.choice(ENDINGS), None


def noise(rng: random.Random) -> Photo:
    return rng.randbytes(rng.randrange(1, 5000)), rng.choice(ENDINGS), None


def signature_only(rng: random.Random) -> Photo:
    content, ending, _ = any_file(rng)
    return content[: rng.randint(2, 12)], ending, None


def no_image(rng: random.Random) -> Photo:
    content = rng.choice(
        [
            b"<!DOCTYPE html><title>404 Not Found</title>",
            b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
            b"\x7fELF\x02\x01\x01" + bytes(64),
            b"MZ\x90\0" + bytes(64),
            b"PK\x03\x04" + bytes(64),
            b"#!/bin/sh\ntouch sprung\n",
            b"\x80\x04\x95cposix\nsystem\n(S'touch sprung'\ntR.",
            b"GIF89a",
            b"version https://git-lfs.github.com/spec/v1\nsize 12\n",
        ]
    )
    return content, rng.choice(ENDINGS), None


def program_for_ghostscript(rng: random.Random) -> Photo:
    content = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    content += b"(sprung) (w) file closefile\nshowpage\n%%EOF\n"
    return content, rng.choice(["jpg", "png"]), None


def bomb(rng: random.Random) -> Photo:
    """All is there: a few kilobytes that are more pixels than Pillow's limit."""
    side = rng.randint(9_500, 13_000)  # below twice the limit, where Pillow only warns
    return png(side, side, 1, 0, bytes((side + 7) // 8 + 1) * side), "png", None


def claimed_bomb(rng: random.Random) -> Photo:
    side = rng.randint(14_000, 65_535)
    kind = rng.choice(["png", "gif", "bmp", "ppm"])
    content = {
        "png": png(side, side, 8, 2, b""),
        "gif": b"GIF89a" + struct.pack("<HH", side, side) + bytes(20),
        "bmp": b"BM" + struct.pack("<IIIIIIHHI", 0, 0, 54, 40, side, side, 1, 24, 0),
        "ppm": b"P6 %d %d 255\n" % (side, side),
    }[kind]
    return content + bytes(100), kind, None


def bomb_in_a_comment(rng: random.Random) -> Photo:
    text = zlib.compress(bytes(rng.randint(2, 8) << 20))
    chunk = rng.choice([b"zTXtComment\0\0" + text, b"iTXtComment\0\1\0\0\0" + text])
    return png(1, 1, 8, 0, b"\0\0", chunk), "png", None


def no_pixels(rng: random.Random) -> Photo:
    width, height = rng.choice([(0, 5), (5, 0), (0, 0)])
    ending, content = rng.choice(
        [
            ("png", png(width, height, 8, 2, b"")),
            ("ppm", b"P6 %d %d 255\n" % (width, height)),
            ("gif", b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0;"),
        ]
    )
    return content, ending, None


def no_levels_of_light(rng: random.Random) -> Photo:
    """Numbers that could mean any brightness: floating point, or 32 bits."""
    levels = scene(rng)[..., 0].astype(rng.choice([np.float32, np.int32]))
    return encoded(levels * 65_536 + 65_536, "TIFF"), "tif", None


def too_many_channels(rng: random.Random) -> Photo:
    content = encoded(scene(rng), "TIFF")
    samples = struct.pack("<HHI", 277, 3, 1)
    place = content.index(samples) + len(samples)
    number = struct.pack("<H", rng.randint(9, 60_000))
    return content[:place] + number + content[place + 2 :], "tif", None


Maker = Callable[[random.Random], Photo]

# By kind: the maker, and what may come of it.
KINDS: dict[str, tuple[Maker, str]] = {
    "wrong ending": (wrong_ending, "read"),
    "CMYK": (cmyk, "read"),
    "16-bit grey": (grey_16_bit, "read"),
    "10- to 15-bit grey": (grey_10_to_15_bit, "read"),
    "16-bit colour": (colour_16_bit, "read"),
    "alpha": (alpha, "read"),
    "grey with alpha": (grey_with_alpha, "read"),
    "transparent palette": (transparent_palette, "read"),
    "black and white": (black_and_white, "read"),
    "EXIF-rotated": (turned, "read"),
    "senseless EXIF orientation": (senseless_orientation, "read"),
    "damaged EXIF": (damaged_exif, "read"),
    "EXIF damaged behind the orientation": (half_damaged_exif, "read"),
    "animated, many pages": (animated, "read"),
    "one pixel thin": (thin, "read"),
    "more behind its end": (more_behind, "read"),
    "truncated": (cut_short, "read or skipped"),
    "changed bytes": (changed_bytes, "read or skipped"),
    "zero bytes": (empty, "skipped"),
    "random bytes": (noise, "skipped"),
    "signature only": (signature_only, "skipped"),
    "no image": (no_image, "skipped"),
    "PostScript": (program_for_ghostscript, "skipped"),
    "bomb": (bomb, "skipped"),
    "claims a bomb": (claimed_bomb, "skipped"),
    "bomb in a comment": (bomb_in_a_comment, "skipped"),
    "no pixels": (no_pixels, "skipped"),
    "float or 32-bit": (no_levels_of_light, "skipped"),
    "too many channels": (too_many_channels, "skipped"),
}
