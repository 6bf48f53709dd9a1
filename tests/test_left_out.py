"""What a training leaves out is counted and named: at its start and in its results."""

import json

import pytest
from faces import folder_of_faces
from tiny import tiny_config, use_data

from cl_facenet.train import train


@pytest.fixture
def config(tiny, tmp_path):
    people = folder_of_faces(tmp_path / "people", people=6, photos=5)
    (people / "person 1/9.jpg").write_text("no photo, but named like one")
    (people / "person 2/notes.txt").write_text("no photo")
    (people / "person 3/deeper").mkdir()
    (people / "person 3/4.jpg").rename(people / "person 3/deeper/4.jpg")
    config = tiny_config(tmp_path / "cache", num_epochs=1)
    use_data(config, "folder", people)
    config.data.skip_unreadable = True
    return config


def test_files_left_out_are_named(config, tmp_path, capsys):
    train(config, tmp_path / "run")
    said = capsys.readouterr().err
    assert "(1 unreadable: person 1/9.jpg) (1 passed over: person 2/notes.txt)" in said
    data = json.loads((tmp_path / "run/results.json").read_text())["data"]
    assert (data["num_skipped_photos"], data["num_ignored_files"]) == (1, 1)
    assert data["skipped_photos"] == ["person 1/9.jpg"]
    assert data["ignored_files"] == ["person 2/notes.txt"]
    kinds = ("train", "heldout", "unseen")
    assert sum(data[f"num_{kind}_photos"] for kind in kinds) == 30
