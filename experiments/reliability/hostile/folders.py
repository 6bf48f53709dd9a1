"""Folders of people as nobody should keep them, and what is to come of each.

A maker fills an empty folder and returns the folder that is given to the package, and
the names of the photos in it that are to be read; None where there are none.
"""

import json
import os
import random
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cl_facenet.data.names import canonical
from experiments.reliability.hostile.photos import encoded, scene

Folder = tuple[Path, list[str] | None]

STRANGE = (
    *("two words", " ", "a\nb", "a\tb", "\x1b[2J\x1b[31m", "\r", "\x7f", "‮evil"),
    *(
        "é",
        "e\N{COMBINING ACUTE ACCENT}",
        "山田 太郎",
        "محمد",
        "🙂",
        "\N{NO-BREAK SPACE}",
    ),
    *("-rf", "--help", "~", "$HOME", "$(reboot)", "`reboot`", "'", '"', "\\", "%s%n"),
    *(
        "{0}",
        "[bold]",
        "[link=x]",
        "<img src=x onerror=alert(1)>",
        "$\\frac{",
        "a;b",
        "a|b",
    ),
    *("a:b", "con", "nul", "*", "?", "a..", "a.b", "1e400", "9" * 200, "²", "None"),
    *("x" * 251, "é" * 125, "山" * 83, "🙂" * 62),
)


def photo(path: Path, rng: random.Random) -> None:
    """Writes a sound one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(scene(rng)[:16, :16], "PNG"))


def people(folder: Path, rng: random.Random) -> list[str]:
    """Two people's photos, and their names."""
    names = [
        f"{who}/{i}.png" for who in ("ann", "bob") for i in range(rng.choice([1, 2]))
    ]
    for name in names:
        photo(folder / name, rng)
    return names


def strange_names(folder: Path, rng: random.Random) -> Folder:
    own = folder / rng.choice(STRANGE)
    # Two folders of one name, but for its encoding and its blanks, are refused.
    who = {canonical(name): name for name in rng.sample(STRANGE, 4)}.values()
    names = {f"{name}/{rng.choice(STRANGE)}.png" for name in who}
    for name in names:
        photo(own / name, rng)
    return own, sorted(names)


def name_of_bytes(folder: Path, rng: random.Random) -> Folder:
    people(folder, rng)
    bad = os.fsdecode(rng.choice([b"caf\xe9", b"\xff", b"\xc3", b"\xed\xa0\x80"]))
    photo(folder / rng.choice([f"ann/{bad}.png", f"{bad}/0.png"]), rng)
    return folder, None


def ignored_name_of_bytes(folder: Path, rng: random.Random) -> Folder:
    names = people(folder, rng)
    (folder / os.fsdecode(b"ann/caf\xe9.txt")).touch()
    (folder / os.fsdecode(b"\xff")).touch()
    return folder, names


def root_name_of_bytes(folder: Path, rng: random.Random) -> Folder:
    own = folder / os.fsdecode(b"people \xff")
    return own, people(own, rng)


def pipe(folder: Path, rng: random.Random) -> Folder:
    """To open it would be to wait for ever."""
    names = people(folder, rng)
    os.mkfifo(folder / "ann" / rng.choice(["pipe.png", "pipe.jpg"]))
    return folder, names


def pipes_elsewhere(folder: Path, rng: random.Random) -> Folder:
    names = people(folder, rng)
    os.mkfifo(folder / rng.choice(["pipe.png", "ann/pipe", "preprocessing.json"]))
    return folder, names


def unix_socket(folder: Path, rng: random.Random) -> Folder:
    names = people(folder, rng)
    here = os.open(folder / "ann", os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as listening:
        # By the folder's number: a socket's path is short.
        listening.bind(f"/proc/self/fd/{here}/s.png")
    os.close(here)
    return folder, names


def link_to_device(folder: Path, rng: random.Random) -> Folder:
    names = people(folder, rng)
    device = rng.choice(["/dev/zero", "/dev/null", "/dev/random", "/dev/tty"])
    (folder / "ann/device.png").symlink_to(device)
    return folder, names


def broken_link(folder: Path, rng: random.Random) -> Folder:
    names = people(folder, rng)
    to = rng.choice(["nowhere", "../nobody/0.png", "link.png", "x" * 255])
    (folder / "ann/link.png").symlink_to(to)
    return folder, names


def links_in_a_loop(folder: Path, rng: random.Random) -> Folder:
    names = people(folder, rng)
    (folder / "ann/a.png").symlink_to("b.png")
    (folder / "ann/b.png").symlink_to("a.png")
    (folder / "loop").symlink_to("loop")  # nobody's folder
    (folder / "ann/round").symlink_to(rng.choice([".", "..", "../ann"]))
    return folder, names


def person_in_a_circle(folder: Path, rng: random.Random) -> Folder:
    """A link to what is around it is passed over."""
    names = people(folder, rng)
    (folder / "cy").symlink_to(rng.choice([".", "../" + folder.name]))
    return folder, names


def root_in_a_loop(folder: Path, rng: random.Random) -> Folder:
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    return folder / rng.choice(["a", "b", "a/people"]), None


def linked_person(folder: Path, rng: random.Random) -> Folder:
    """Links to photos elsewhere are what people keep on purpose."""
    names = people(folder / "there", rng)
    (folder / "here").mkdir()
    for person in ("ann", "bob"):
        (folder / "here" / person).symlink_to(folder / "there" / person)
    return folder / "here", names


def may_not_be_looked_at(folder: Path, rng: random.Random) -> Folder:
    people(folder, rng)
    mode = rng.choice([0, 0o400, 0o100])  # not at all, its names only, known names only
    os.chmod(rng.choice([folder, folder / "ann"]), mode)
    return folder, None


def photo_may_not_be_read(folder: Path, rng: random.Random) -> Folder:
    names = people(folder, rng)
    photo(folder / "bob/secret.png", rng)
    os.chmod(folder / "bob/secret.png", 0)
    return folder, names


def empty_photo(folder: Path, rng: random.Random) -> Folder:
    names = people(folder, rng)
    (folder / "ann" / rng.choice(["e.jpg", "e.png", "e.gif", "e.tiff"])).touch()
    return folder, names


def only_bad_photos(folder: Path, rng: random.Random) -> Folder:
    """Leaving them out would leave nothing."""
    for person in ("ann", "bob"):
        (folder / person).mkdir()
        (folder / person / "0.png").write_bytes(rng.randbytes(rng.randrange(50)))
    return folder, None


def bad_person(folder: Path, rng: random.Random) -> Folder:
    """One person has bad photos only: they are left out, and so is the person."""
    names = people(folder, rng)
    (folder / "cy").mkdir()
    (folder / "cy/0.png").write_bytes(rng.randbytes(rng.randrange(50)))
    return folder, names


def much_else(folder: Path, rng: random.Random) -> Folder:
    """What lies about in folders of photos is not theirs."""
    names = [*people(folder, rng), "ann/deeper/0.png"]
    (folder / "ann/folder.jpg").mkdir()
    photo(folder / "ann/deeper/0.png", rng)
    for name in (".DS_Store", "ann/.0.png", "ann/._0.png", "ann/Thumbs.db", "a.jpg"):
        (folder / name).write_bytes(rng.randbytes(9))
    (folder / ".git").mkdir()
    return folder, names


def no_photos(folder: Path, rng: random.Random) -> Folder:
    people(folder, rng)
    (folder / "nobody").mkdir()
    if rng.random() < 0.5:
        (folder / "nobody/notes.txt").write_text("none")
    return folder, None


def no_folder(folder: Path, rng: random.Random) -> Folder:
    os.mkfifo(folder / "pipe")
    (folder / "empty").mkdir()
    (folder / "link").symlink_to("nowhere")
    names = ["missing", "pipe", "empty", "link", "empty/x/y", "x" * 256, "x/" * 2048]
    return folder / rng.choice(names), None


def false_description(folder: Path, rng: random.Random) -> Folder:
    """A preprocessing.json that says nothing, or what cannot be."""
    people(folder, rng)
    size = rng.choice([None, -1, 0, "big", [], 1e999, {}])
    content: Any = rng.choice(
        [
            {"image_size": size, "align": "none"},
            {"image_size": 16},
            {"align": "none"},
            {"image_size": 16, "align": None},
            {"image_size": 16, "align": ["none"]},
            *([1], [[1, 2]], 1, None, "x", True),
        ]
    )
    text = json.dumps(content).encode()
    damaged = [b"", b"{", b"\xff\xfe", b"[" * 100_000, rng.randbytes(40), text[:-1]]
    (folder / "preprocessing.json").write_bytes(rng.choice([text, *damaged]))
    return folder, None


Maker = Callable[[Path, random.Random], Folder]

# By kind: the maker, and what may come of it.
KINDS: dict[str, tuple[Maker, str]] = {
    "strange names": (strange_names, "read"),
    "a name that is no text": (name_of_bytes, "refused"),
    "a name that is no text, of no photo": (ignored_name_of_bytes, "read"),
    "its own name is no text": (root_name_of_bytes, "read"),
    "a pipe for a photo": (pipe, "skipped"),
    "pipes elsewhere": (pipes_elsewhere, "read"),
    "a socket for a photo": (unix_socket, "skipped"),
    "a device for a photo": (link_to_device, "skipped"),
    "a broken link": (broken_link, "skipped"),
    "links in a loop": (links_in_a_loop, "skipped"),
    "a person in a circle": (person_in_a_circle, "read"),
    "is in a loop itself": (root_in_a_loop, "refused"),
    "people who are links": (linked_person, "read"),
    "may not be looked at": (may_not_be_looked_at, "refused"),
    "a photo that may not be read": (photo_may_not_be_read, "skipped"),
    "an empty photo": (empty_photo, "skipped"),
    "bad photos only": (only_bad_photos, "refused"),
    "a person with bad photos only": (bad_person, "skipped"),
    "much that is no photo": (much_else, "read"),
    "a person without photos": (no_photos, "refused"),
    "no folder": (no_folder, "refused"),
    "a false preprocessing.json": (false_description, "refused"),
}

# Root may do all: these are looked at as nobody, who may not.
AS_NOBODY = ("may not be looked at", "a photo that may not be read")
