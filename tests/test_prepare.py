"""Preparing photos from the command line, and training on what it made."""

import os
import shutil
import tarfile

import pytest
from tiny import tiny_config

from cl_facenet import prepare
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


def test_something_else_is_not_written_over(faces, tmp_path, capsys):
    assert run(f"--source={faces}", f"--out={faces}") == 1
    assert "holds no prepared photos: choose another" in capsys.readouterr().err
