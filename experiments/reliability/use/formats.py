"""Photos in all formats, under all endings: each is read, or named."""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.reliability.use.people import answer, face, shell, write_people

# Pillow's names of what it can write.
FORMATS = (
    "AVIF",
    "BMP",
    "GIF",
    "JPEG",
    "JPEG2000",
    "MPO",
    "PNG",
    "PPM",
    "TIFF",
    "WEBP",
)
ENDINGS = (
    *("", ".jpg", ".JPG", ".jpeg", ".jpg_large", ".jpg!d", ".jfif", ".png", ".avif"),
    *(".jp2", ".mpo", ".heic", ".bin", ".txt", ".1", ".jpg.part"),
)
NO_PHOTOS = {
    "notes.txt": b"a list",
    "movie.mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
    "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "print.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "about.json": b"{}",
    "empty": b"",
}
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    face(0, 0).save(buffer, kind)
    return buffer.getvalue()


def read(room: Path) -> list[str]:
    """Each format under each ending: by training's and by embedding's walk."""
    write_people(room / "people")
    names = []
    for kind in FORMATS:
        for ending in ENDINGS:
            names.append(f"ann/{kind}{ending}")
            path = room / "people" / names[-1]
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(encoded(kind))
    said = answer(f"cl-facenet embed {room}/people --out={room}/all.npz")
    with np.load(room / "all.npz") as file:
        known = set(file["names"])
    found = ["" if name in known else f"embed: {name}, {said}" for name in names]
    status, out, err = shell(
        f"prepare folder --source={room}/people --out={room}/out --image-size=32"
    )
    number = len(names) + 6
    right = status == 0 and f"{number} photos of 4 people" in out.replace(",", "")
    return [*found, *[("" if right else f"prepare: {out}{err}")] * len(names)]


def named(room: Path) -> list[str]:
    """What is no photo is passed over, counted and named."""
    write_people(room / "people")
    for name, content in NO_PHOTOS.items():
        (room / "people/s0" / name).write_bytes(content)
    said = answer(f"cl-facenet embed {room}/people --out={room}/all.npz")
    passed_over = json.dumps(said)
    _, out, _ = shell(f"prepare folder --source={room}/people --out={room}/out")
    return [
        *("" if name in passed_over else f"embed: {name}" for name in NO_PHOTOS),
        *("" if name in out else f"prepare: {name}" for name in NO_PHOTOS),
    ]


def damaged(room: Path) -> list[str]:
    """Photos by their ending or by their first bytes that cannot be read."""
    whole = encoded("JPEG")
    found = []
    for number, (name, content) in enumerate(
        {
            "cut.jpg": whole[: len(whole) // 2],
            "cut": whole[: len(whole) // 2],
            "empty.jpg": b"",
            "page.jpg": b"<!doctype html><p>404",
            "shut.heic": HEIC,
        }.items()
    ):
        people = room / f"{number}"
        write_people(people)
        (people / "s0" / name).write_bytes(content)
        for line in (
            f"cl-facenet embed {people} --out={room}/{number}.npz",
            f"prepare folder --source={people} --out={room}/{number}.records",
        ):
            status, _, err = shell(line)
            right = status == 1 and name in err and err.count("\n") == 1
            found.append("" if right else f"{name}: {status} {err}")
            status, out, err = shell(f"{line} --skip-unreadable")
            found.append("" if status == 0 and name in out else f"{name}: {out}{err}")
    return found


def upright(room: Path) -> list[str]:
    """All EXIF orientations of one photo have one vector, to rounding."""
    plain = face(0, 0)
    found = []
    turns = {3: 180, 6: 90, 8: 270}
    for orientation, degrees in turns.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        plain.rotate(degrees, expand=True).save(room / f"{orientation}.png", exif=exif)
        plain.save(room / "plain.png")
        said = answer(f"cl-facenet compare {room}/plain.png {room}/{orientation}.png")
        found.append("" if said["distance"] < 1e-9 else f"{said['distance']}")
    return found


KINDS = {
    "formats under any ending": read,
    "no photo: passed over, counted, named": named,
    "damaged": damaged,
    "turned by EXIF": upright,
}
