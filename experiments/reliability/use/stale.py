"""What was made of something else is not taken for what was asked for."""

import os
import shutil
from pathlib import Path

from experiments.reliability.use.people import face, one_line, shell, write_people


def prepared(room: Path) -> list[str]:
    """`prepare folder` into what was made of another source, or otherwise."""
    write_people(room / "A")
    write_people(room / "B", people=4)
    made = f"prepare folder --source={room}/A --out={room}/out"
    status, _, err = shell(made)
    found = [err if status else ""]
    before = _content(room / "out")
    for line in (
        made.replace("/A ", "/B "),
        f"{made} --align=dlib",
        f"{made} --image-size=64",
        made.replace("/A ", "/nothing "),
    ):
        status, _, err = shell(line)
        found.append(one_line(status, err, str(room)))
    face(9, 9).save(room / "A/s0/new.png")
    found.append(one_line(*_status(made), "out"))
    os.remove(room / "A/s0/new.png")
    face(9, 9).save(room / "A/s0/0.png")  # another photo under a known name
    found.append(one_line(*_status(made), "out"))
    found.append("" if _content(room / "out") == before else "the records changed")
    return found


def aligned(room: Path) -> list[str]:
    """`align` begun anew with another source, or otherwise."""
    write_people(room / "A")
    write_people(room / "B")
    face(5, 5).save(room / "B/s0/0.png")
    made = f"cl-facenet align {room}/A --out={room}/out"
    status, _, err = shell(made)
    found = [err if status else ""]
    os.remove(room / "out/s1/0.png")  # as if it had been stopped
    before = _content(room / "out")
    for line in (
        made.replace("/A ", "/B "),
        f"{made} --align=dlib5",
        f"{made} --image-size=64",
    ):
        found.append(one_line(*_status(line), "out"))
    found.append("" if _content(room / "out") == before else "the crops changed")
    status, _, err = shell(made)
    right = status == 0 and (room / "out/s1/0.png").is_file()
    found.append("" if right else err)
    return found


def moved(room: Path) -> list[str]:
    """The same photos in another place are the same photos."""
    write_people(room / "A")
    made = f"prepare folder --source={room}/A --out={room}/out"
    found = [shell(made)[2], shell(made)[2]]
    shutil.copytree(room / "A", room / "backup/A", copy_function=shutil.copy2)
    status, _, err = shell(made.replace("/A ", "/backup/A "))
    return [*found, err if status else ""]


def _status(line: str) -> tuple[int, str]:
    status, _, err = shell(line)
    return status, err


def _content(folder: Path) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path): path.read_bytes() for path in files}


KINDS = {
    "prepare folder --out": prepared,
    "align --out": aligned,
    "the same photos, elsewhere": moved,
}
