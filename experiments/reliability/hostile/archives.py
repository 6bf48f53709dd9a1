"""Archives as nobody should send them, and what is to come of each.

A maker takes a random generator and the folder that nothing may be written to, and
returns an archive's content, its ending and the names of the photos in it that are to
be read; None where there are none, or where nobody can say.
"""

import io
import random
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from experiments.reliability.hostile.photos import encoded, scene

Archive = tuple[bytes, str, list[str] | None]
Members = dict[str, bytes]

TARS = {"tar": "w", "tgz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}


def people(rng: random.Random) -> Members:
    """Photos of a few people, by their names in an archive."""
    return {
        f"{person}/{number}.png": encoded(scene(rng)[:16, :16], "PNG")
        for person in ("ann", "bob", "cy")[: rng.randint(2, 3)]
        for number in range(rng.randint(1, 3))
    }


def info(name: str, **attributes: Any) -> tarfile.TarInfo:
    """A member of a tar archive."""
    member = tarfile.TarInfo(name)
    for key, value in attributes.items():
        setattr(member, key, value)
    return member


def tar(
    members: Iterable[tuple[tarfile.TarInfo, bytes]], mode: str = "w", **options: Any
) -> bytes:
    """A tar archive; sizes are set where there is content."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, **options) as archive:
        for member, content in members:
            member.size = member.size or len(content)
            archive.addfile(member, io.BytesIO(content) if content else None)
    return file.getvalue()


def plain(members: Members) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Members as `tar` takes them."""
    return [(info(name), content) for name, content in members.items()]


def zipped(members: Iterable[tuple[str | zipfile.ZipInfo, bytes]]) -> bytes:
    """A zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def patched(content: bytes, local: int, central: int, value: bytes) -> bytes:
    """A zip archive with other bytes at a place of every header."""
    changed = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        place = changed.find(signature)
        while place >= 0:
            changed[place + offset : place + offset + len(value)] = value
            place = changed.find(signature, place + 4)
    return bytes(changed)


def sound(rng: random.Random) -> tuple[bytes, str, list[str]]:
    """An archive that nothing is wrong with, of any format."""
    members = people(rng)
    ending = rng.choice([*TARS, "zip"])
    if ending == "zip":
        return zipped(members.items()), ending, list(members)
    return tar(plain(members), TARS[ending]), ending, list(members)


def with_tar_member(
    rng: random.Random, member: tarfile.TarInfo, content: bytes = b"x", **options: Any
) -> bytes:
    """Photos, and something among them that is none."""
    members = plain(people(rng))
    members.insert(rng.randint(0, len(members)), (member, content))
    return tar(members, "w:gz", **options)


def leading_out(rng: random.Random) -> str:
    """A name that leads out of a folder."""
    up = "../" * rng.randint(1, 4)
    return rng.choice(
        [f"{up}out.png", f"ann/../{up}out.png", f"./ann/../../{up}x/a.png"]
    )


def tar_traversal(rng: random.Random, outside: Path) -> Archive:
    return with_tar_member(rng, info(leading_out(rng))), "tgz", None


def tar_traversal_in_pax(rng: random.Random, outside: Path) -> Archive:
    member = info("ann/0.png", pax_headers={"path": leading_out(rng)})
    return with_tar_member(rng, member, format=tarfile.PAX_FORMAT), "tgz", None


def tar_absolute(rng: random.Random, outside: Path) -> Archive:
    """It is made relative, and is then a photo of nobody."""
    members = people(rng)
    prefix = "/" * rng.randint(1, 3)
    content = tar([(info(prefix + name), data) for name, data in members.items()])
    return content, "tar", list(members)


def tar_link(rng: random.Random, outside: Path) -> Archive:
    kind = rng.choice([tarfile.SYMTYPE, tarfile.LNKTYPE])
    to = rng.choice(["../../secret", str(outside / "secret"), "/etc/passwd", "../bob"])
    return (
        with_tar_member(rng, info("ann/l.png", type=kind, linkname=to), b""),
        "tgz",
        None,
    )


def tar_through_link(rng: random.Random, outside: Path) -> Archive:
    """A link to a folder, and then a file in it."""
    link = info("ann", type=tarfile.SYMTYPE, linkname=rng.choice([str(outside), ".."]))
    return tar([(link, b""), (info("ann/out.png"), b"x")]), "tar", None


def tar_link_loop(rng: random.Random, outside: Path) -> Archive:
    kind = rng.choice([tarfile.SYMTYPE, tarfile.LNKTYPE])
    one = info("ann/a.png", type=kind, linkname="b.png")
    other = info("ann/b.png", type=kind, linkname="a.png")
    return tar([*plain(people(rng)), (one, b""), (other, b"")]), "tar", None


def tar_deep_links(rng: random.Random, outside: Path) -> Archive:
    """Links longer than a path may be, which the data filter has not followed.

    CVE-2025-4517: it takes what lies behind them for a folder inside.
    """
    folder, letters, members, path = "d" * 247, "abcdefghijklmnop", [], ""
    for letter in letters:
        members.append(info(f"{path}{folder}", type=tarfile.DIRTYPE))
        members.append(info(path + letter, type=tarfile.SYMTYPE, linkname=folder))
        path += f"{folder}/"
    far = "/".join(letters) + "/" + "l" * 254
    members.append(info(far, type=tarfile.SYMTYPE, linkname="../" * len(letters)))
    up = far + "/.." * rng.randint(2, 4)
    members.append(info("escape", type=tarfile.SYMTYPE, linkname=up))
    links = [(member, b"") for member in members]
    return tar([*links, (info("escape/out.png"), b"x")]), "tar", None


def tar_device(rng: random.Random, outside: Path) -> Archive:
    kind = rng.choice([tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
    member = info("ann/d.png", type=kind, devmajor=1, devminor=rng.choice([3, 5, 9]))
    return with_tar_member(rng, member, b""), "tgz", None


def tar_odd_attributes(rng: random.Random, outside: Path) -> Archive:
    members = people(rng)
    odd = [
        (
            info(
                name,
                mode=rng.choice([0, 0o7777, 0o200]),
                mtime=rng.choice([-(2**40), 2**60, 0]),
                uid=2**30,
                uname="nobody\x1b[2J",
            ),
            content,
        )
        for name, content in members.items()
    ]
    for folder in ("ann", "."):
        odd.insert(0, (info(folder, type=tarfile.DIRTYPE, mode=0), b""))
    content = tar(odd, "w:gz", format=tarfile.GNU_FORMAT)
    return content, "tgz", list(members)


def tar_claims_size(rng: random.Random, outside: Path) -> Archive:
    """A few bytes that are said to be terabytes, or fewer than none."""
    size = rng.choice([2**33 - 1, 2**43, 2**60, -512, -(2**40)])
    head = info("ann/huge.png", size=size).tobuf(tarfile.GNU_FORMAT)
    return head + tar(plain(people(rng))), "tar", None


def tar_claims_header_size(rng: random.Random, outside: Path) -> Archive:
    """Its name alone is said to be gigabytes, which tarfile would read at once."""
    kind = rng.choice([tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
    size = rng.choice([2**32, 2**33 - 1, -512])
    head = info("././@LongLink", type=kind, size=size).tobuf(tarfile.GNU_FORMAT)
    return head + tar(plain(people(rng))), "tar", None


def tar_odd_pax(rng: random.Random, outside: Path) -> Archive:
    odd = rng.choice(
        [
            {"comment": "x" * rng.randint(2**16, 2**18)},
            {"size": "-512"},
            {"size": str(2**60)},
            {"path": "ann/a\0b.png"},
            {"linkpath": "../../x", "path": "../x.png"},
            {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"},
            {"GNU.sparse.map": "1,2,3", "GNU.sparse.size": "-1"},
        ]
    )
    member = info("ann/0.png", pax_headers=odd)
    return with_tar_member(rng, member, format=tarfile.PAX_FORMAT), "tgz", None


def tar_sparse(rng: random.Random, outside: Path) -> Archive:
    head = bytearray(info("ann/s.png", type=b"S", size=512).tobuf(tarfile.GNU_FORMAT))
    head[386:410] = b"%011o\0" % rng.randrange(2**33) + b"%011o\0" % 512
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + bytes(512) + tar(plain(people(rng))), "tar", None


def tar_damaged_header(rng: random.Random, outside: Path) -> Archive:
    """Behind some sound members: tarfile takes it for the end."""
    members = plain(people(rng))
    content = bytearray(tar(members))
    before = sum(512 + -(-member.size // 512) * 512 for member, _ in members[:-1])
    content[before + rng.randrange(148)] ^= rng.randrange(1, 256)
    return bytes(content), "tar", None


def zip_traversal(rng: random.Random, outside: Path) -> Archive:
    members = [*people(rng).items(), (leading_out(rng), b"x")]
    rng.shuffle(members)
    return zipped(members), "zip", None


def zip_absolute(rng: random.Random, outside: Path) -> Archive:
    return zipped([*people(rng).items(), (f"{outside}/out.png", b"x")]), "zip", None


def zip_of_windows(rng: random.Random, outside: Path) -> Archive:
    """Drives and backslashes, which are letters of a name elsewhere."""
    name = rng.choice(["C:\\ann\\out.png", "..\\..\\out.png", "\\\\host\\out.png"])
    members = people(rng)
    return zipped([*members.items(), (name, b"x")]), "zip", list(members)


def zip_link(rng: random.Random, outside: Path) -> Archive:
    """Zip has links by Unix's mode only; it is read as a file, which is no photo."""
    link = zipfile.ZipInfo("ann/link.png")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    members = people(rng)
    content = zipped([*members.items(), (link, b"/etc/passwd")])
    return content, "zip", list(members)


def zip_encrypted(rng: random.Random, outside: Path) -> Archive:
    return patched(zipped(people(rng).items()), 6, 8, b"\x01\0"), "zip", None


def zip_unknown_method(rng: random.Random, outside: Path) -> Archive:
    method = struct.pack("<H", rng.choice([1, 6, 10, 97, 99]))
    return patched(zipped(people(rng).items()), 8, 10, method), "zip", None


def zip_needs_newer(rng: random.Random, outside: Path) -> Archive:
    version = struct.pack("<H", rng.randint(64, 255))
    return patched(zipped(people(rng).items()), 4, 6, version), "zip", None


def zip_claims_size(rng: random.Random, outside: Path) -> Archive:
    size = struct.pack("<I", rng.randint(2**30, 2**32 - 2))
    return patched(zipped(people(rng).items()), 22, 24, size), "zip", None


def zip_not_utf8(rng: random.Random, outside: Path) -> Archive:
    """Names that are said to be UTF-8, and are not."""
    content = zipped([*people(rng).items(), ("ann/@@@.png", b"x")])
    flagged = patched(content, 6, 8, b"\0\x08")
    return (
        flagged.replace(b"@@@", rng.choice([b"\xff\xfe\xfd", b"\xe9 \xe8"])),
        "zip",
        None,
    )


def zip_of_macos(rng: random.Random, outside: Path) -> Archive:
    members = people(rng)
    inside = rng.choice(["", "people/"])
    theirs = [(inside + name, content) for name, content in members.items()]
    more = [
        (f"__MACOSX/{inside}{name.replace('/', '/._')}", b"\0\5\x16\7")
        for name in members
    ]
    hidden = (f"{inside}.DS_Store", b"\0\0\0\1Bud1")
    return zipped([*theirs, *more, hidden]), "zip", list(members)


def same_name_twice(rng: random.Random, outside: Path) -> Archive:
    """The last one counts: the first is no photo."""
    members = people(rng)
    return tar([(info("ann/0.png"), b"x"), *plain(members)]), "tar", list(members)


def file_in_the_way(rng: random.Random, outside: Path) -> Archive:
    if rng.random() < 0.5:
        return zipped([("ann", b"x"), *people(rng).items()]), "zip", None
    return tar([(info("ann"), b"x"), *plain(people(rng))]), "tar", None


def long_name(rng: random.Random, outside: Path) -> Archive:
    name = "ann/" + "é" * rng.randint(128, 2000) + ".png"
    if rng.random() < 0.5:
        return zipped([*people(rng).items(), (name, b"x")]), "zip", None
    return with_tar_member(rng, info(name)), "tgz", None


def deep_folders(rng: random.Random, outside: Path) -> Archive:
    name = "a/" * rng.randint(40, 1800) + "0.png"
    if rng.random() < 0.5:
        return zipped([(name, b"x")]), "zip", None
    return with_tar_member(rng, info(name)), "tgz", None


def a_few_folders_deep(rng: random.Random, outside: Path) -> Archive:
    members, inside = people(rng), "data of 2026/" * rng.randint(1, 9)
    return zipped((inside + n, x) for n, x in members.items()), "zip", list(members)


def tar_names_of_bytes(rng: random.Random, outside: Path) -> Archive:
    name = b"ann/caf\xe9\xff.png".decode(errors="surrogateescape")
    return with_tar_member(rng, info(name)), "tgz", None


def odd_names(rng: random.Random, outside: Path) -> Archive:
    person = rng.choice(
        ["两 人", "a\nb", "\x1b[31mred", "-rf", "$(reboot)", "[b]", "🙂"]
    )
    members = people(rng)
    members[f"{person}/{person}.png"] = encoded(scene(rng), "PNG")
    return zipped(members.items()), "zip", list(members)


def bad_photo_inside(rng: random.Random, outside: Path) -> Archive:
    members = people(rng)
    return tar([*plain(members), (info("ann/bad.png"), b"x")]), "tar", list(members)


def nothing_for_photos(rng: random.Random, outside: Path) -> Archive:
    photo = encoded(scene(rng), "PNG")
    members = rng.choice(
        [
            {},
            {"a.png": photo, "b.png": photo},
            {"readme.txt": b"x"},
            {"ann/notes.txt": b"x", "bob/0.png": photo},
            {"people.zip": zipped(people(rng).items())},
        ]
    )
    return (zipped(members.items()), "zip", None)


def no_archive(rng: random.Random, outside: Path) -> Archive:
    content = rng.choice(
        [
            b"",
            rng.randbytes(rng.randrange(1, 5000)),
            b"7z\xbc\xaf\x27\x1c" + rng.randbytes(100),
            b"Rar!\x1a\x07\x01\0" + rng.randbytes(100),
            b"\x1f\x8b\x08\0" + rng.randbytes(100),
            b"BZh9" + rng.randbytes(100),
            b"\xfd7zXZ\0" + rng.randbytes(100),
            b"PK\x05\x06" + rng.randbytes(18),
            b"\x80\x04\x95cposix\nsystem\n(S'touch sprung'\ntR.",
        ]
    )
    return content, rng.choice([*TARS, "zip"]), None


def cut_short(rng: random.Random, outside: Path) -> Archive:
    """What it lost may have been the zeros that fill its last block."""
    content, ending, names = sound(rng)
    return content[: rng.randrange(len(content))], ending, names


def changed_bytes(rng: random.Random, outside: Path) -> Archive:
    content, ending, _ = sound(rng)
    changed = bytearray(content)
    for _ in range(rng.randint(1, 20)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed), ending, None


Maker = Callable[[random.Random, Path], Archive]

# By kind: the maker, and what may come of it.
KINDS: dict[str, tuple[Maker, str]] = {
    "tar: traversal": (tar_traversal, "refused"),
    "tar: traversal in a PAX header": (tar_traversal_in_pax, "refused"),
    "tar: absolute names": (tar_absolute, "read"),
    "tar: a link": (tar_link, "refused"),
    "tar: a file through a link": (tar_through_link, "refused"),
    "tar: links in a loop": (tar_link_loop, "refused"),
    "tar: links beyond the longest path": (tar_deep_links, "refused"),
    "tar: a device": (tar_device, "refused"),
    "tar: odd modes, times, owners": (tar_odd_attributes, "read"),
    "tar: claims a size": (tar_claims_size, "refused"),
    "tar: claims a header's size": (tar_claims_header_size, "refused"),
    "tar: odd PAX headers": (tar_odd_pax, "refused"),
    "tar: sparse": (tar_sparse, "refused"),
    "tar: a damaged header": (tar_damaged_header, "refused"),
    "tar: names that are no text": (tar_names_of_bytes, "refused"),
    "zip: traversal": (zip_traversal, "refused"),
    "zip: absolute name": (zip_absolute, "refused"),
    "zip: drives and backslashes": (zip_of_windows, "read"),
    "zip: a link": (zip_link, "skipped"),
    "zip: encrypted": (zip_encrypted, "refused"),
    "zip: unknown method": (zip_unknown_method, "refused"),
    "zip: of a newer version": (zip_needs_newer, "refused"),
    "zip: claims a size": (zip_claims_size, "refused"),
    "zip: names that are not UTF-8": (zip_not_utf8, "refused"),
    "zip: of macOS": (zip_of_macos, "read"),
    "one name twice": (same_name_twice, "read"),
    "a file where a folder should be": (file_in_the_way, "refused"),
    "a name of more than 255 bytes": (long_name, "refused"),
    "folders too many deep": (deep_folders, "refused"),
    "folders a few deep": (a_few_folders_deep, "read"),
    "strange names in it": (odd_names, "read"),
    "an unreadable photo in it": (bad_photo_inside, "skipped"),
    "nothing that it should hold": (nothing_for_photos, "refused"),
    "no archive": (no_archive, "refused"),
    "truncated archive": (cut_short, "read or refused"),
    "changed bytes in an archive": (changed_bytes, "read or skipped or refused"),
}
