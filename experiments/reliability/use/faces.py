"""Photos without a face, with several, and cut too close: every answer says so."""

import itertools
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

import cl_facenet
from cl_facenet.errors import InputError
from experiments.reliability.use.people import (
    FACELESS,
    SHIPPED,
    answer,
    face,
    faceless,
    shell,
    write_people,
)

EACH = 3  # pictures of each kind without a face
NO_FACE = 3  # the exit status


def pictures() -> list[Image.Image]:
    return [faceless(seed, kind) for kind in FACELESS for seed in range(EACH)]


def verified(room: Path) -> list[str]:
    """Beside a face, and beside one another."""
    embedder = cl_facenet.load(SHIPPED)
    shown = pictures()
    pairs = [(face(0, 0), one) for one in shown]
    pairs += list(itertools.pairwise(shown))
    found = []
    for a, b in pairs:
        verdict = embedder.verify(a, b)
        right = verdict.same is None and verdict.distance is None and verdict.reason
        found.append("" if right else f"{verdict}")
    return found


def as_truth(room: Path) -> list[str]:
    """`if embedder.verify(a, b)`: same and other people, and no verdict."""
    embedder = cl_facenet.load(SHIPPED)
    found = []
    for person in range(6):
        for other in (person, person + 1):
            verdict = embedder.verify(face(person, 0), face(other, other != person))
            found.append("" if bool(verdict) == verdict.same else f"{verdict}")
    try:
        bool(embedder.verify(face(0, 0), faceless(0, "noise")))
    except InputError as error:
        found.append("" if "no face found" in str(error) else str(error))
    else:
        found.append("no verdict is true or false")
    return found


def embedded(room: Path) -> list[str]:
    """By the call: a row of NaN, and a warning that names it."""
    embedder = cl_facenet.load(SHIPPED)
    found = []
    for picture in pictures():
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            vectors = embedder([face(0, 0), picture])
        right = np.isnan(vectors[1]).all() and np.isfinite(vectors[0]).all()
        found.append("" if right and "1 of 2" in f"{said[0].message}" else f"{said}")
    return found


def compared(room: Path) -> list[str]:
    """`compare`: no verdict, by its exit status too."""
    face(0, 0).save(room / "face.png")
    found = []
    for number, picture in enumerate(pictures()):
        picture.save(room / f"{number}.png")
        status, out, _ = shell(
            f"cl-facenet compare {room}/face.png {room}/{number}.png"
        )
        right = status == NO_FACE and "no face found" in out and "person" not in out
        found.append("" if right else f"{status}: {out}")
    return found


def enrolled(room: Path) -> list[str]:
    """`identify`: who has no face is not enrolled, and gets no name."""
    write_people(room / "people")
    shown = pictures()
    for number, picture in enumerate(shown):
        path = room / f"people/wall {number}/0.png"
        path.parent.mkdir()
        picture.save(path)
        picture.save(room / f"probe {number}.png")
    probes = " ".join(f"'{room}/probe {number}.png'" for number in range(len(shown)))
    said = answer(f"cl-facenet identify {probes} --gallery={room}/people")
    found = [
        ""
        if photo["person"] is None and "no face found" in photo["notes"]
        else f"{photo}"
        for photo in said["photos"]
    ]
    missing = said["gallery"]["no_face"]
    found += [
        "" if f"wall {number}/0.png" in missing else f"wall {number} is enrolled"
        for number in range(len(shown))
    ]
    right = (said["gallery"]["num_people"], said["status"]) == (3, NO_FACE)
    return [*found, "" if right else f"{said['gallery']}"]


def clustered(room: Path) -> list[str]:
    write_people(room / "photos", photos=4)
    for number, picture in enumerate(pictures()):
        picture.save(room / f"photos/{number}.png")
    said = answer(f"cl-facenet cluster {room}/photos --out={room}/page.html")
    names = {name for group in said["clusters"] for name in group} | set(said["alone"])
    return [
        "" if f"{n}.png" in said["no_face"] and f"{n}.png" not in names else f"{n}.png"
        for n in range(len(pictures()))
    ]


def in_a_file(room: Path) -> list[str]:
    """`embed`: the file says which photos have no face."""
    write_people(room / "photos")
    for number, picture in enumerate(pictures()):
        picture.save(room / f"photos/{number}.png")
    shell(f"cl-facenet embed {room}/photos --out={room}/vectors.npz")
    with np.load(room / "vectors.npz") as file:
        rows = zip(
            file["names"], file["embeddings"], file["face_detected"], strict=True
        )
        return [
            "" if np.isnan(vector).all() != bool(known) == ("/" in name) else name
            for name, vector, known in rows
        ]


def several(room: Path) -> list[str]:
    """Two people on a photo: how many there are, and which was taken."""
    found = []
    for person in range(6):
        both = Image.new("RGB", (440, 240))
        both.paste(face(person, 0, 240), (0, 0))
        both.paste(face(person + 1, 0, 160), (250, 40))
        both.save(room / f"{person}.png")
        face(person, 1).save(room / "one.png")
        _, out, _ = shell(f"cl-facenet compare {room}/one.png {room}/{person}.png")
        found.append("" if "2 faces" in out and "taken" in out else out)
    return found


def cut_close(room: Path) -> list[str]:
    """Photos cut to the face by another tool: most of the crop is outside."""
    found = []
    embedder = cl_facenet.load(SHIPPED)
    for person in range(6):
        whole = face(person, 0, 448)
        left, top, right, bottom = embedder.embed([whole]).faces[0].box or (0, 0, 9, 9)
        close = whole.crop((left, top, right, bottom))
        report = embedder.embed([close]).faces[0]
        said = report.missing or "outside the photo" in " ".join(report.notes())
        found.append("" if said else f"{report}")
    return found


def one_under_two_names(room: Path) -> list[str]:
    """A gallery with one identity twice: it is a tie, between whom is said."""
    found = []
    for person in range(4):
        gallery = room / f"people {person}"
        write_people(gallery)
        for name in ("Ann", "Anna"):
            (gallery / name).mkdir()
            face(20 + person, 0).save(gallery / name / "0.png")
        face(20 + person, 0).save(room / "probe.png")
        _, out, _ = shell(f"cl-facenet identify {room}/probe.png --gallery='{gallery}'")
        right = "tie" in out and "Ann" in out and "Anna" in out
        found.append("" if right else out)
    return found


KINDS = {
    "verify": verified,
    "a verdict as a truth value": as_truth,
    "embedder(...)": embedded,
    "compare": compared,
    "identify, gallery and photos": enrolled,
    "cluster": clustered,
    "embed": in_a_file,
    "two people on a photo": several,
    "cut close by another tool": cut_close,
    "one identity under two names": one_under_two_names,
}
