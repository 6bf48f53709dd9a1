import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cl_facenet.data.folder import folder_source, photos_below, read_prepared_as
from cl_facenet.data.walk import natural_order
from cl_facenet.errors import InputError


def save_photo(path, level=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (level,) * 3).save(path)


@pytest.fixture
def faces(tmp_path):
    root = tmp_path / "my faces"
    for name in ("s10/1.png", "s2/10.jpg", "s2/2.JPEG", "s1/a.PGM", "s1/b.webp"):
        save_photo(root / name)
    return root


def test_people_and_photos_come_in_natural_order(faces):
    source = folder_source(faces)
    assert source.name == "folder-my-faces"
    assert [(photo.person, photo.name) for photo in source.photos] == [
        ("s1", "s1/a.PGM"),
        ("s1", "s1/b.webp"),
        ("s2", "s2/2.JPEG"),
        ("s2", "s2/10.jpg"),
        ("s10", "s10/1.png"),
    ]


def test_photos_are_read_when_asked(faces):
    photos = folder_source(str(faces)).photos
    save_photo(faces / "s10/1.png", level=9)
    assert np.asarray(photos[-1].read()).max() == 9


def test_hidden_and_other_files_are_left_out(faces):
    expected = [photo.name for photo in folder_source(faces).photos]
    for name in ("s1/.DS_Store", "s1/notes.txt", "notes.txt", ".cache/x.jpg"):
        (faces / name).parent.mkdir(exist_ok=True)
        (faces / name).write_text("no photo")
    save_photo(faces / "s1/.hidden.jpg")
    save_photo(faces / "stray.jpg")
    (faces / "s1/folder.jpg").mkdir()
    assert [photo.name for photo in folder_source(faces).photos] == expected


def test_what_is_left_out_is_named(faces):
    for name in ("s1/.DS_Store", "s1/notes.txt", "notes.txt"):
        (faces / name).write_text("no photo")
    save_photo(faces / "stray.jpg")
    ignored = ["stray.jpg", "notes.txt", "s1/notes.txt", "s1/.DS_Store"]
    assert folder_source(faces).ignored == ignored


def test_our_own_descriptions_are_not_passed_over(faces):
    (faces / "preprocessing.json").write_text("{}")
    (faces / "aligned_from.json").write_text("{}")
    assert folder_source(faces).ignored == []


@pytest.mark.parametrize("read", [folder_source, photos_below])
def test_photos_that_were_made_square_before_are_not_so_twice(faces, read):
    how = {"align": "none", "image_size": 8}
    (faces / "s1/preprocessing.json").write_text("of another program")
    read(faces)
    (faces / "s1/preprocessing.json").write_text(json.dumps(how))
    with pytest.raises(InputError, match=r"s1 holds photos that were made square"):
        read(faces)


def test_contents_that_differ_in_nothing_else_are_told_apart(faces):
    def both():
        source = folder_source(faces)
        return source.fingerprint, source.content

    path = faces / "s1/a.PGM"
    before, status = both(), path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    fingerprint, content = both()
    assert fingerprint == before[0]
    assert content != before[1]


def test_the_fingerprint_is_what_it_was(tmp_path):
    """Or every run of an earlier version would be of other photos."""
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
        os.utime(tmp_path / name, ns=(7, 7))
    lines = [f"{name}\0" + "5\0" + "7\n" for name in ("a/1.png", "a/2.png", "b/1.png")]
    expected = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert folder_source(tmp_path).fingerprint == expected


def test_the_fingerprint_follows_names_sizes_and_times(faces):
    first = folder_source(faces).fingerprint
    assert folder_source(faces).fingerprint == first
    seen = {first}
    os.utime(faces / "s10/1.png", ns=(1, 1))
    seen.add(folder_source(faces).fingerprint)
    (faces / "s10/1.png").rename(faces / "s10/2.png")
    seen.add(folder_source(faces).fingerprint)
    with (faces / "s10/2.png").open("ab") as file:
        file.write(b"\0")
    os.utime(faces / "s10/2.png", ns=(1, 1))
    seen.add(folder_source(faces).fingerprint)
    assert len(seen) == 4


def test_the_fingerprint_does_not_depend_on_the_place(faces, tmp_path):
    first = folder_source(faces).fingerprint
    (tmp_path / "elsewhere").mkdir()
    moved = faces.rename(tmp_path / "elsewhere" / "faces")
    assert folder_source(moved).fingerprint == first


def test_bad_folders_say_what_to_do(tmp_path):
    def message(path):
        with pytest.raises(InputError) as caught:
            folder_source(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "no such folder" in message(tmp_path / "missing")
    (tmp_path / "file").touch()
    assert "not a folder" in message(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert "empty; put each person's photos in a sub-folder" in message(
        tmp_path / "empty"
    )
    save_photo(tmp_path / "flat/1.jpg")
    assert "photos but no sub-folders" in message(tmp_path / "flat")


def test_a_person_without_photos_is_named(faces):
    (faces / "nobody").mkdir()
    with pytest.raises(InputError, match=r"nobody: no photos in it"):
        folder_source(faces)


def test_and_what_is_there_instead(faces):
    (faces / "nobody").mkdir()
    (faces / "nobody/1.cr3").touch()
    says = r"nobody: no photos in it, but nobody/1\.cr3; add some, or move it"
    with pytest.raises(InputError, match=says):
        folder_source(faces)


def test_names_outside_utf8_are_refused(faces):
    try:
        save_photo(faces / "s1" / os.fsdecode(b"caf\xe9.png"))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(InputError, match="the name is not UTF-8; rename it"):
        folder_source(faces)


def test_natural_order_takes_mixed_names():
    names = ["b", "a10", "a2", "10", "9", "a", "a02", "²"]
    assert sorted(names, key=natural_order) == [
        "9",
        "10",
        "a",
        "a02",
        "a2",
        "a10",
        "b",
        "²",
    ]


@pytest.mark.parametrize("name", ["x" * 255, "山" * 85])
def test_a_long_name_stays_part_of_a_name(faces, tmp_path, name):
    source = folder_source(faces.rename(tmp_path / name))
    assert len(source.name.encode()) < 150


def test_what_may_not_be_looked_at_is_named(faces, monkeypatch):
    def refused(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "is_dir", refused)
    with pytest.raises(InputError, match=r"my faces: Permission denied; make it"):
        folder_source(faces)


@pytest.mark.parametrize(
    "content", ["", "5", "null", "[1]", "{}", '{"image_size": 0, "align": "none"}']
)
def test_a_description_that_says_nothing_is_damaged(faces, content):
    (faces / "preprocessing.json").write_text(content)
    with pytest.raises(InputError, match=r"preprocessing\.json is damaged"):
        read_prepared_as(faces)
