"""Preparing photos from the command line, and training on what it made."""

import os
import re
import shutil
import tarfile

import pytest
from tiny import tiny_config

from cl_facenet import prepare
from cl_facenet.align_photos import align_photos
from cl_facenet.data.preprocessing import Preprocessing
from cl_facenet.data.records import open_records
from cl_facenet.data.synthetic import draw_photo
from cl_facenet.dataset import build_data
from cl_facenet.errors import InputError


@pytest.fixture
def faces(tmp_path):
    for person in range(6):
        folder = tmp_path / "faces" / f"person {person}"
        folder.mkdir(parents=True)
        for photo in range(5):
            draw_photo(0, person, photo).save(folder / f"{photo}.png")
    return tmp_path / "faces"


def run(*arguments):
    return prepare.main(["folder", "--image-size=32", *map(str, arguments)])


def test_an_archive_is_prepared_once_and_trained_on_by_its_path(
    faces, tiny, tmp_path, capsys
):
    archive = shutil.make_archive(str(tmp_path / "faces"), "zip", faces)
    out = tmp_path / "records"
    assert run(f"--source={archive}", f"--out={out}") == 0
    assert "30 photos of 6 people" in capsys.readouterr().out
    shutil.rmtree(faces)
    config = tiny_config(tmp_path / "cache")
    config.data.name, config.data.path = "folder", str(out)
    records, split = build_data(config)
    assert records.metadata["source"] == "folder-faces"
    assert len(split.train_people) == 4
    assert not (tmp_path / "cache").exists()

    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    assert run(f"--source={archive}", f"--out={out}") == 0
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before

    config.data.image_size = 64
    with pytest.raises(InputError, match=r"image_size 32, data.image_size is 64"):
        build_data(config)


def test_a_folder_and_its_archive_give_the_same_photos(faces, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "faces"), "gztar", faces)
    for name, source in (("a", faces), ("b", archive)):
        assert run(f"--source={source}", f"--out={tmp_path / name}") == 0
    one, other = (
        sorted((tmp_path / name).glob("*.array_record*"))[0] for name in ("a", "b")
    )
    assert one.read_bytes() == other.read_bytes()


def test_an_old_archive_of_a_folder_s_inside_is_no_leftover(faces, tmp_path):
    """As of `tar -C faces .`, which begins with the folder and its time."""
    for path in (*faces.rglob("*"), faces):
        os.utime(path, (0, 0))
    with tarfile.open(tmp_path / "faces.tar", "w") as tar:
        tar.add(faces, ".")
    out = tmp_path / "out"
    assert run(f"--source={tmp_path / 'faces.tar'}", f"--out={out}") == 0


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("missing", "missing: no such folder"),
        ("empty", "empty; put each person's photos in a sub-folder"),
        ("text.txt", "not a readable tar or zip archive"),
        ("bad", "person 1/1.png"),
    ],
)
def test_a_bad_source_is_one_line_and_leaves_nothing(
    faces, source, says, tmp_path, capsys
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("hello")
    shutil.copytree(faces, tmp_path / "bad")
    (tmp_path / "bad" / "person 1" / "1.png").write_bytes(b"not a photo")
    before = set(tmp_path.rglob("*"))
    assert run(f"--source={tmp_path / source}", f"--out={tmp_path / 'out'}") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert says in error
    assert set(tmp_path.rglob("*")) == before


def other_faces(folder, seed):
    for path in folder.rglob("*.png"):
        person, photo = path.parent.name.split()[1], path.stem
        draw_photo(seed, int(person), int(photo)).save(path)
    return folder


def changes(faces, tmp_path):
    """By what is another one: flags that follow --out of the first."""
    other = tmp_path / "other"
    shutil.copytree(faces, other / "faces")
    other_faces(other / "faces", seed=1)
    shutil.make_archive(str(other / "faces"), "zip", faces)
    return {
        "another source": (f"--source={other / 'faces'}",),
        "an archive of it": (f"--source={other / 'faces.zip'}",),
        "another alignment": (f"--source={faces}", "--align=dlib"),
        "another size": (f"--source={faces}", "--image-size=48"),
        "no source": (f"--source={tmp_path / 'nowhere/faces'}",),
    }


OF_ANOTHER = "holds photos of another folder-faces, or of this one before photos were"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("another source", OF_ANOTHER),
        ("an archive of it", OF_ANOTHER),
        ("another alignment", r"prepared as align none, .*, not as align dlib,"),
        ("another size", r"image_size 32, .*, not as .* image_size 48,"),
        ("no source", "nowhere/faces: no such folder"),
    ],
)
def test_what_is_there_is_not_taken_for_another(change, says, faces, tmp_path, capsys):
    out = tmp_path / "records"
    assert run(f"--source={faces}", f"--out={out}") == 0
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    capsys.readouterr()
    assert run(f"--out={out}", *changes(faces, tmp_path)[change]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert re.search(says, said.err)
    assert change == "no source" or "choose another --out" in said.err
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before


def add(faces):
    draw_photo(0, 0, 9).save(faces / "person 0/9.png")


def remove(faces):
    (faces / "person 0/4.png").unlink()


def change(faces):
    draw_photo(1, 0, 4).save(faces / "person 0/4.png")


@pytest.mark.parametrize("edit", [add, remove, change])
def test_photos_that_were_added_changed_or_removed(edit, faces, tmp_path, capsys):
    out = tmp_path / "records"
    assert run(f"--source={faces}", f"--out={out}") == 0
    edit(faces)
    assert run(f"--source={faces}", f"--out={out}") == 1
    assert OF_ANOTHER in capsys.readouterr().err
    assert run(f"--source={faces}", f"--out={tmp_path / 'anew'}") == 0


def test_another_process_that_stores_other_photos_first(
    faces, tmp_path, capsys, monkeypatch
):
    out, store = tmp_path / "records", prepare.store

    def too_late(*given, **named):
        monkeypatch.setattr(prepare, "store", store)
        other = tmp_path / "other"
        other_faces(shutil.copytree(faces, other / "faces"), seed=1)
        assert run(f"--source={other / 'faces'}", f"--out={out}") == 0
        store(*given, **named)

    monkeypatch.setattr(prepare, "store", too_late)
    assert run(f"--source={faces}", f"--out={out}") == 1
    assert OF_ANOTHER in capsys.readouterr().err


def test_what_was_left_out_has_to_be_left_out_again(faces, tmp_path, capsys):
    (faces / "person 0/4.png").write_text("no photo")
    given = [f"--source={faces}", f"--out={tmp_path / 'records'}"]
    assert run(*given, "--skip-unreadable") == 0
    assert run(*given, "--skip-unreadable") == 0
    assert run(*given) == 1
    said = capsys.readouterr().err
    assert "without 1 that are unreadable, as person 0/4.png" in said
    assert "--skip-unreadable takes them so" in said


def test_what_is_passed_over_is_said(faces, tmp_path, capsys):
    (faces / "person 0/notes.txt").write_text("no photo")
    assert run(f"--source={faces}", f"--out={tmp_path / 'records'}") == 0
    said = capsys.readouterr().out
    assert "1 files passed over: no photos, hidden or of nobody:\n  person 0/no" in said


@pytest.mark.parametrize("packed", [False, True])
def test_photos_that_were_aligned_before_stay_so(packed, faces, tmp_path, capsys):
    how = Preprocessing("none", 24)
    align_photos(faces, tmp_path / "squares", how, skip_unreadable=False)
    source = tmp_path / "squares"
    if packed:
        source = shutil.make_archive(str(source), "zip", source)
    given = ["folder", f"--source={source}", f"--out={tmp_path / 'out'}"]
    for _ in range(2):
        assert prepare.main(given) == 0
    assert open_records(tmp_path / "out").metadata["preprocessing"] == how.describe()
    for more in ("--align=dlib", "--image-size=96"):
        assert prepare.main([*given, more]) == 1
        asked = re.escape(more)
        assert re.search(f"square before, with .*: {asked} ", capsys.readouterr().err)


def test_something_else_is_not_written_over(faces, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").touch()
    assert run(f"--source={faces}", f"--out={tmp_path / 'mine'}") == 1
    assert "holds no prepared photos: choose another" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["", "out", "person 0/out", ".."])
def test_nothing_is_written_among_what_is_read(faces, out, capsys):
    assert run(f"--source={faces}", f"--out={faces / out}") == 1
    assert "overlap: choose a folder beside it" in capsys.readouterr().err
