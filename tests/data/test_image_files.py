"""What a photo is: its first bytes say so, and its ending nothing."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from cl_facenet.data.image_files import (
    HEIF,
    RAW,
    format_of,
    is_named_like_one,
    without_ending,
)
from cl_facenet.data.photos import FORMATS

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 16, 3), dtype=np.uint8)


def encoded(form, mode="RGB", **options):
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(file, form, **options)
    return file.getvalue()


def found(content, name="photo"):
    return format_of(io.BytesIO(content), name)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["photo", "photo.txt", "1.5", "photo.jpg_large"])
def test_every_format_is_told_by_its_content(form, name):
    assert found(encoded(form), name) == form


@pytest.mark.parametrize(
    ("form", "mode", "options", "expected"),
    [
        ("MPO", "RGB", {}, "JPEG"),
        ("PPM", "L", {}, "PPM"),
        ("PPM", "1", {}, "PPM"),
        ("BMP", "1", {}, "BMP"),
        ("TIFF", "RGB", {"big_tiff": True}, "TIFF"),
        ("JPEG2000", "RGB", {"no_jp2": True}, "JPEG2000"),
        ("GIF", "P", {"save_all": True}, "GIF"),
    ],
)
def test_and_every_variant_of_one(form, mode, options, expected):
    assert found(encoded(form, mode, **options)) == expected


def test_a_pgm_that_begins_with_comments():
    assert found(b"P5\n# by a camera\n# of 1994\n16 24\n255\n" + bytes(384)) == "PPM"


def box(major, *brands):
    body = major + bytes(4) + b"".join(brands)
    return struct.pack(">I", 8 + len(body)) + b"ftyp" + body + bytes(100)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (box(b"heic", b"mif1", b"heic"), HEIF),
        (box(b"heix", b"mif1", b"heix"), HEIF),
        (box(b"mif1", b"heic"), HEIF),
        (box(b"msf1", b"hevc"), HEIF),
        (box(b"mif1", b"avif", b"miaf"), "AVIF"),
        (box(b"avis", b"msf1"), "AVIF"),
        (box(b"isom", b"iso2", b"avc1", b"mp41"), None),
        (box(b"qt  "), None),
        (box(b"crx ", b"crx ", b"isom"), None),  # Canon's CR3
    ],
)
def test_what_is_in_a_container_its_brands_say(content, expected):
    assert found(content) == expected


OTHERS = {
    "nothing": b"",
    "HTML": b"<!DOCTYPE html><html>",
    "SVG": b'<?xml version="1.0"?><svg/>',
    "PDF": b"%PDF-1.7",
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0",
    "PSD": b"8BPS\0\1",
    "JPEG XL": b"\0\0\0\x0cJXL \r\n\x87\n",
    "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    ".DS_Store": b"\0\0\0\1Bud1",
    "AppleDouble": b"\0\5\x16\7\0\2\0\0",
    "text like a bitmap": b"BM is what they called it, and nobody knows why.",
    "text like a graymap": b"P5 is the fifth platform.",
    "float map": b"Pf\n2 2\n-1.0\n" + bytes(16),
    "icon": b"\0\0\1\0\1\0",
    "RAF": b"FUJIFILMCCD-RAW 0201",
    "ORF": b"IIRO\x08\0\0\0",
    "RW2": b"IIU\0\x18\0\0\0",
    "WAV": b"RIFF\x24\0\0\0WAVEfmt ",
}


@pytest.mark.parametrize("kind", OTHERS)
def test_all_else_is_no_photo(kind):
    assert found(OTHERS[kind] + bytes(20)) is None


def tiff(*tags, order="<", marker=b""):
    """A TIFF of one directory: (tag, type, value) each."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 16)
    entries = b"".join(
        struct.pack(f"{order}HHI", tag, kind, 1)
        + struct.pack(f"{order}HH" if kind == 3 else f"{order}I", *value)
        for tag, kind, value in tags
    )
    return head + marker.ljust(8, b"\0") + struct.pack(f"{order}H", len(tags)) + entries


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([(254, 4, [0]), (262, 3, [2, 0])], "TIFF"),
        ([(254, 4, [1]), (262, 3, [2, 0])], RAW),  # a preview, as of NEF
        ([(262, 3, [32803, 0])], RAW),  # pixels of a sensor
        ([(262, 3, [2, 0]), (50706, 1, [0x0401])], RAW),  # DNG
        ([], "TIFF"),
    ],
)
def test_a_camera_s_raw_file_is_no_tiff(tags, expected, order):
    assert found(tiff(*tags, order=order)) == expected


def test_canon_s_raw_file_says_so():
    assert found(tiff((262, 3, [6, 0]), marker=b"CR\2\0")) == RAW


@pytest.mark.parametrize("name", ["a.nef", "a.CR2", "a.dng"])
def test_a_tiff_that_is_named_like_a_raw_file_is_not_believed(name):
    assert found(encoded("TIFF"), name) == RAW


def test_a_damaged_directory_is_left_to_the_reader():
    for content in (b"II*\0", b"II*\0\xff\xff\xff\xff", tiff((262, 3, [2, 0]))[:20]):
        assert found(content) == "TIFF"


@pytest.mark.parametrize(
    ("name", "is_one", "bare"),
    [
        ("a.JPG", True, "a"),
        ("a.b.heic", True, "a.b"),
        ("a.jpg_large", True, "a"),
        ("a.jp2", True, "a"),
        ("J.R.Smith", False, "J.R.Smith"),
        ("a.jpg.json", False, "a.jpg.json"),
        ("a.nef", False, "a.nef"),
        ("jpg", False, "jpg"),
        ("ann.b/1", False, "ann.b/1"),
    ],
)
def test_endings(name, is_one, bare):
    assert is_named_like_one(name) == is_one
    assert without_ending(name) == bare
