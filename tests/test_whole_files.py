"""A file or a folder that is written whole, or stays as it was."""

import os

import pytest

from cl_facenet import whole_files
from cl_facenet.errors import InputError
from cl_facenet.whole_files import check_folder_place, whole_folder, write_whole


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


@pytest.mark.parametrize("with_links", [True, False])
def test_what_comes_meanwhile_is_not_overwritten(with_links, tmp_path, monkeypatch):
    if not with_links:  # as on FAT
        monkeypatch.setattr(whole_files.os, "link", lambda *_: fail(95))
    path = tmp_path / "file"
    write_whole(path, b"first", overwrite=False)
    with pytest.raises(FileExistsError, match="file"):
        write_whole(path, b"second", overwrite=False)
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]
    dangling = tmp_path / "link"
    dangling.symlink_to("nowhere")
    with pytest.raises(FileExistsError, match="link"):
        write_whole(dangling, b"second", overwrite=False)
    assert dangling.is_symlink()


def fail(number):
    raise OSError(number, os.strerror(number))


@pytest.mark.parametrize("name", ["faces.onnx", "faces.JPG", "faces.safetensors"])
def test_a_folder_is_not_called_like_a_file(name, tmp_path):
    with pytest.raises(InputError, match="is to be a folder, but"):
        check_folder_place(tmp_path / name)
    check_folder_place(tmp_path / "faces.v2")


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
