"""A file that is written whole, or stays as it was."""

import pytest

from cl_facenet.whole_files import write_whole


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "file"
    for content in (b"first", b"second"):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_what_cannot_be_replaced_stays_as_it_was(tmp_path):
    path = tmp_path / "folder"
    (path / "full").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"):
        write_whole(path, b"content")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]
    assert (path / "full").is_dir()
