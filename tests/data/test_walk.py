"""One walk: what is a photo, how deep, where links lead, what is passed over."""

import os

import pytest
from PIL import Image

from cl_facenet.data.names import say_some
from cl_facenet.data.walk import identity_of, natural_order, walk


def save_photo(path, level=0, form="PNG"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (level,) * 3).save(path, form)


def names(root):
    return [photo.name for photo in walk(root).photos]


@pytest.fixture
def people(tmp_path):
    """ann with two photos, one of them deeper, and bob."""
    root = tmp_path / "people"
    for name in ("ann/1.png", "ann/2004/2.png", "bob/1.png"):
        save_photo(root / name)
    return root


def test_photos_at_any_depth(people):
    save_photo(people / "ann/2004/may/10.png")
    assert names(people) == [
        *("ann/1.png", "ann/2004/2.png", "ann/2004/may/10.png"),
        "bob/1.png",
    ]
    assert walk(people).folders == ["ann", "bob"]
    assert walk(people).passed_over == []


def test_folders_stay_together_and_sort_naturally(tmp_path):
    for name in ("s10/1", "s1/2", "s01/2", "s1/10", "s01/1", "s1 b/1"):
        save_photo(tmp_path / name)
    order = ["s01/1", "s01/2", "s1/2", "s1/10", "s1 b/1", "s10/1"]
    assert names(tmp_path) == order


FORMATS = {"avif": "AVIF", "jp2": "JPEG2000", "mpo": "MPO", "jpg_large": "JPEG"}


@pytest.mark.parametrize("ending", FORMATS)
def test_whatever_the_ending(ending, people):
    save_photo(people / f"ann/3.{ending}", form=FORMATS[ending])
    save_photo(people / "ann/without ending", form=FORMATS[ending])
    assert {f"ann/3.{ending}", "ann/without ending"} < set(names(people))
    assert walk(people).passed_over == []


def test_what_is_no_photo_is_named(people):
    for name in ("ann/notes.txt", "ann/clip.mp4", "bob/raw.cr3", "list.csv"):
        (people / name).write_text("no photo")
    assert walk(people).passed_over == [
        *("ann/clip.mp4", "ann/notes.txt", "bob/raw.cr3", "list.csv"),
    ]


@pytest.mark.parametrize("content", [b"", b"<html>404</html>"])
def test_what_is_named_like_a_photo_is_one_that_is_damaged(people, content):
    (people / "ann/3.jpg").write_bytes(content)
    (people / "ann/3.txt").write_bytes(content)
    assert "ann/3.jpg" in names(people)
    assert walk(people).passed_over == ["ann/3.txt"]


SYSTEM = (
    *("__MACOSX", "@eaDir", ".Trashes", "$RECYCLE.BIN", "System Volume Information"),
    *("lost+found", "#recycle", ".thumbnails", "@Recycle", "LOST.DIR", "found.000"),
    *("~snapshot", "@__thumb", "@SynoResource"),
)


@pytest.mark.parametrize("name", SYSTEM)
def test_folders_of_systems_are_passed_over_wherever_they_are(name, people):
    save_photo(people / name / "ann/1.png")
    save_photo(people / "bob" / name / "1.png")
    assert names(people) == ["ann/1.png", "ann/2004/2.png", "bob/1.png"]
    assert walk(people).folders == ["ann", "bob"]
    assert walk(people).passed_over == sorted([f"{name}/", f"bob/{name}/"])


def test_hidden_files_are_named_behind_the_others(people):
    save_photo(people / ".a.png", form="PNG")
    for name in ("ann/._1.png", "ann/.DS_Store", "bob/Thumbs.db", "z.txt"):
        (people / name).write_text("")
    assert walk(people).passed_over == [
        *("z.txt", ".a.png", "ann/.DS_Store", "ann/._1.png", "bob/Thumbs.db")
    ]


# --- links ---


def test_links_to_folders_are_followed(people, tmp_path):
    save_photo(tmp_path / "elsewhere/3.png")
    save_photo(tmp_path / "elsewhere/old/4.png")
    (people / "cy").symlink_to(tmp_path / "elsewhere")
    (people / "bob/more").symlink_to("../../elsewhere/old")
    assert walk(people).folders == ["ann", "bob", "cy"]
    expected = ["bob/1.png", "bob/more/4.png", "cy/3.png", "cy/old/4.png"]
    assert names(people)[2:] == expected


def test_links_to_files_are_photos(people, tmp_path):
    save_photo(tmp_path / "3.png")
    (people / "ann/linked.png").symlink_to(tmp_path / "3.png")
    assert names(people)[1:3] == ["ann/2004/2.png", "ann/linked.png"]


@pytest.mark.parametrize("to", [".", "..", "../..", "../ann", "/"])
def test_no_link_leads_in_a_circle(people, to):
    (people / "ann/round").symlink_to(to)
    assert names(people) == ["ann/1.png", "ann/2004/2.png", "bob/1.png"]
    assert walk(people).passed_over == ["ann/round/"]


def test_nor_do_two(people, tmp_path):
    for one, other in (("a", "b"), ("b", "a")):
        save_photo(tmp_path / one / f"{one}.png")
        (tmp_path / one / "on").symlink_to(tmp_path / other)
    (people / "cy").symlink_to(tmp_path / "a")
    assert names(people)[3:] == ["cy/a.png", "cy/on/b.png"]
    assert walk(people).passed_over == ["cy/on/on/"]


def test_what_a_link_names_again_is_there_once(people):
    (people / "ann/0.png").symlink_to("1.png")
    (people / "ann/again").symlink_to("2004")
    assert names(people) == ["ann/1.png", "ann/2004/2.png", "bob/1.png"]
    assert walk(people).passed_over == ["ann/0.png", "ann/again/"]


def test_two_links_to_one_photo_are_one(people, tmp_path):
    save_photo(tmp_path / "3.png")
    for name in ("3", "4"):
        (people / f"ann/{name}.png").symlink_to(tmp_path / "3.png")
    assert "ann/3.png" in names(people)
    assert walk(people).passed_over == ["ann/4.png"]


def test_of_two_people_with_one_folder_both_have_it(people):
    (people / "anna").symlink_to("ann")
    assert names(people)[2:4] == ["anna/1.png", "anna/2004/2.png"]


def test_links_to_nothing(people):
    """What is named like a photo is one that cannot be read; all else is named."""
    (people / "ann/3.png").symlink_to("nowhere")
    (people / "ann/old").symlink_to("nowhere")
    (people / "cy").symlink_to("cy")
    assert "ann/3.png" in names(people)
    assert walk(people).passed_over == ["ann/old", "cy"]


def test_pipes_are_not_waited_for(people):
    os.mkfifo(people / "ann/pipe")
    os.mkfifo(people / "ann/pipe.png")
    assert "ann/pipe.png" in names(people)
    assert walk(people).passed_over == ["ann/pipe"]


# --- names ---


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("ann/1.jpg", "ann"),
        ("ann/old/2.jpg", "ann"),
        ("ann.jpg", "ann"),
        ("ann.jpg_large", "ann"),
        ("J.R.Smith", "J.R.Smith"),
        ("v1.2/1.jpg", "v1.2"),
    ],
)
def test_whose_photo_it_is(name, person):
    assert identity_of(name) == person


def test_names_in_one_line():
    assert say_some(["a", "b"]) == "a, b"
    assert say_some([*"abcdefg"], 3) == "a, b, c and 4 more"
    assert natural_order("s2") < natural_order("s10")


def test_a_photo_is_known_by_its_size_its_time_and_some_bytes(people):
    def known():
        return walk(people).photos[0].known_as

    first, path = known(), people / "ann/1.png"
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    changed = known()
    assert changed != first
    os.utime(path, ns=(0, 0))
    assert known() != changed
