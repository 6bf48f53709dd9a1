"""A file or a folder that is written whole, or stays as it was."""

import os

import pytest

from cl_facenet import whole_files
from cl_facenet.whole_files import whole_folder, write_whole


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / ("f" * 255)  # the longest name that there is
    for content in (b"first", b"second"):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_replaced_stays_as_it_was(tmp_path):
    path = tmp_path / "folder"
    (path / "full").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"):
        write_whole(path, b"content")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]
    assert (path / "full").is_dir()


def test_another_that_writes_meanwhile_disturbs_nobody(tmp_path, monkeypatch):
    path = tmp_path / "file"
    replace = os.replace

    def after_another(partial, path):
        monkeypatch.setattr(whole_files.os, "replace", replace)
        write_whole(path, b"another's")
        assert path.read_bytes() == b"another's"
        replace(partial, path)

    monkeypatch.setattr(whole_files.os, "replace", after_another)
    write_whole(path, b"this one's")
    assert path.read_bytes() == b"this one's"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_folder_has_its_name_when_all_is_in_it(tmp_path):
    path = tmp_path / "folder"
    with whole_folder(path) as folder:
        (folder / "file").touch()
        assert not path.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]
    assert [p.name for p in path.iterdir()] == ["file"]


def test_a_folder_that_fails_is_none(tmp_path):
    def fill():
        with whole_folder(tmp_path / "folder") as folder:
            (folder / "file").touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fill()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_stays_as_it_was(tmp_path):
    (tmp_path / "folder/full").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"), whole_folder(tmp_path / "folder"):
        pass
    assert [p.name for p in tmp_path.rglob("*")] == ["folder", "full"]
