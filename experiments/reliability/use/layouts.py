"""Folders as cameras and data sets leave them: one rule, or a reason."""

import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

from experiments.reliability.use.people import answer, face, shell, write_people

Layout = Callable[[Path], list[str]]  # makes it; the names of its photos


def plain(folder: Path) -> list[str]:
    return write_people(folder)


def nested(folder: Path) -> list[str]:
    """An album below a person."""
    names = write_people(folder)
    (folder / "s0/2004/summer").mkdir(parents=True)
    face(0, 5).save(folder / "s0/2004/summer/5.png")
    return [*names, "s0/2004/summer/5.png"]


def linked_people(folder: Path) -> list[str]:
    """People that are links to folders elsewhere."""
    write_people(folder.parent / "elsewhere")
    folder.mkdir()
    for person in sorted((folder.parent / "elsewhere").iterdir()):
        (folder / person.name).symlink_to(person)
    return [f"s{n}/{i}.png" for n in range(3) for i in range(2)]


def circle(folder: Path) -> list[str]:
    names = write_people(folder)
    (folder / "s0/back").symlink_to(folder / "s0")
    return names


def of_systems(folder: Path) -> list[str]:
    """What file systems and programs leave."""
    names = write_people(folder)
    for system in ("__MACOSX", "@eaDir", ".thumbnails", "$RECYCLE.BIN"):
        for place in (folder / system, folder / "s0" / system):
            place.mkdir()
            face(9, 0).save(place / "0.png")
    return names


def by_split(folder: Path) -> list[str]:
    for split in ("train", "val", "test"):
        write_people(folder / split)
    return []


def as_celeba(folder: Path) -> list[str]:
    """All photos in one folder, and a list of who is on them."""
    write_people(folder.parent / "elsewhere", photos=4)
    (folder / "img_align_celeba").mkdir(parents=True)
    lines = []
    for number, path in enumerate(sorted((folder.parent / "elsewhere").rglob("*.png"))):
        shutil.copy(path, folder / f"img_align_celeba/{number:06}.png")
        lines.append(f"{number:06}.png {path.parent.name[1:]}\n")
    (folder / "identity_CelebA.txt").write_text("".join(lines))
    return []


def without_people(folder: Path) -> list[str]:
    """Photos, and no folder for anybody."""
    folder.mkdir()
    for number in range(4):
        face(number, 0).save(folder / f"{number}.png")
    return []


def one_name_twice(folder: Path) -> list[str]:
    """One name in two forms of Unicode: two folders to most file systems."""
    write_people(folder)
    for form in ("NFC", "NFD"):
        path = folder / unicodedata.normalize(form, "José")
        path.mkdir()
        face(7, 0).save(path / "0.png")
    return []


LAYOUTS: dict[str, tuple[Layout, bool]] = {
    "a folder a person": (plain, True),
    "albums below a person": (nested, True),
    "people who are links": (linked_people, True),
    "a link in a circle": (circle, True),
    "folders of file systems": (of_systems, True),
    "a folder a split": (by_split, False),
    "one folder and a list, as CelebA": (as_celeba, False),
    "photos without folders": (without_people, False),
    "one name in two forms": (one_name_twice, False),
}


def trained(room: Path, make: Layout, right: bool) -> str:
    """As training and `prepare` see it."""
    names = make(room / "people")
    line = f"prepare folder --source={room}/people --out={room}/out --image-size=32"
    status, out, err = shell(line)
    if not right:
        good = status == 1 and err.count("\n") == 1 and not (room / "out").exists()
        return "" if good else f"{status} {out}{err}"
    from cl_facenet.data.records import open_records

    if status:
        return err
    found = open_records(room / "out").names()
    return "" if sorted(found) == sorted(names) else f"{found}"


def embedded(room: Path, make: Layout, right: bool) -> str:
    """As `embed` sees it, to which people are nothing."""
    names = make(room / "people")
    if not right:
        return ""
    said = answer(f"cl-facenet embed {room}/people --out={room}/all.npz")
    return "" if said["num_photos"] == len(names) else f"{said}"


def enrolled(room: Path, make: Layout, right: bool) -> str:
    """As the gallery of `identify`, which may be of photos named by people."""
    names = make(room / "people")
    face(0, 3).save(room / "who.png")
    line = f"cl-facenet identify {room}/who.png --gallery={room}/people"
    if not right:
        if make in (without_people, one_name_twice):  # people by their photos' names
            return ""
        status, out, err = shell(line)
        return "" if status == 1 and err.count("\n") == 1 else f"{status} {out}{err}"
    gallery = answer(line)["gallery"]
    photos = gallery["num_photos"] + len(gallery["no_face"])
    people = len({name.partition("/")[0] for name in names})
    right = (photos, gallery["num_people"]) == (len(names), people)
    return "" if right else f"{gallery}"


def use_of(make: Layout, right: bool) -> Callable[[Path], list[str]]:
    """Gives one layout to all that walk a folder."""

    def use(room: Path) -> list[str]:
        found = []
        for look in (trained, embedded, enrolled):
            (room / look.__name__).mkdir()
            found.append(look(room / look.__name__, make, right))
        return found

    return use


KINDS = {name: use_of(*layout) for name, layout in LAYOUTS.items()}
