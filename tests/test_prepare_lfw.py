"""Labeled Faces in the Wild from the command line to a split by its own protocols."""

import shutil

import numpy as np
import pytest
from lfw_like import COUNTS, PEOPLE, SETS
from tiny import tiny_config

from cl_facenet import prepare
from cl_facenet.data import preprocessing
from cl_facenet.data.landmarks import Face
from cl_facenet.data.synthetic import draw_photo
from cl_facenet.dataset import build_data
from cl_facenet.errors import InputError

TRAIN = sorted(name for pair in SETS[:5] for name in pair)
TEST = sorted(name for pair in SETS[5:] for name in pair)


def run(source, cache, *more):
    arguments = [f"--source={source}", f"--cache-dir={cache}", "--image-size=32", *more]
    return prepare.main(["lfw", *map(str, arguments)])


@pytest.fixture
def config(tiny, tmp_path):
    config = tiny_config(tmp_path / "cache")
    config.data.name = "lfw"
    return config


def test_before_it_is_prepared_the_error_says_what_to_type(config):
    with pytest.raises(InputError, match=r"python -m cl_facenet\.prepare lfw .*=dlib"):
        build_data(config)


def test_once_prepared_it_is_found(lfw_like, config, tmp_path, capsys):
    assert run(lfw_like, tmp_path / "cache") == 0
    assert "58 photos of 20 people" in capsys.readouterr().out
    shutil.rmtree(lfw_like)
    records, split = build_data(config)
    assert records.metadata["source"] == "lfw-raw"
    assert records.people == PEOPLE
    assert split.train_people == TRAIN
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["lfw-none-32px"]


@pytest.mark.parametrize("packed", ["gztar", "zip"])
def test_an_archive_beside_its_protocol_files(lfw_like, config, tmp_path, packed):
    shutil.make_archive(str(lfw_like / "lfw-funneled"), packed, lfw_like, "lfw")
    shutil.rmtree(lfw_like / "lfw")
    assert run(lfw_like, tmp_path / "cache") == 0
    assert build_data(config)[0].metadata["source"] == "lfw-funneled"


def test_view_1(lfw_like, config, tmp_path):
    run(lfw_like, tmp_path / "cache")
    records, split = build_data(config)
    assert (split.train_people, split.unseen_people) == (TRAIN, TEST)
    assert len(split.unseen_indices) == sum(COUNTS[name] for name in TEST)
    assert (len(split.pairs.same), split.pairs.same.sum()) == (20, 10)
    assert sorted(split.pairs.folds) == sorted([*range(10)] * 2)
    names = [records.names()[index] for index in split.unseen_indices]
    first = [names[row] for row in split.pairs.rows[0]]
    assert first == ["Ann_5/Ann_5_0001.jpg", "Ann_5/Ann_5_0002.jpg"]
    for (left, right), same in zip(split.pairs.rows, split.pairs.same, strict=True):
        assert (names[left].split("/")[0] == names[right].split("/")[0]) == same


def test_a_fifth_of_view_1s_training_half_to_choose_recipes_by(
    lfw_like, config, tmp_path
):
    """The same people whatever the seed, and never one that view 1 tests on."""
    run(lfw_like, tmp_path / "cache")
    config.data.lfw.protocol = "view1_tune"
    _, split = build_data(config)
    config.seed = 1
    assert build_data(config)[1].unseen_people == split.unseen_people
    assert len(split.unseen_people) == len(TRAIN) // 5
    assert sorted([*split.train_people, *split.unseen_people]) == TRAIN
    left, right = split.unseen_labels[split.pairs.rows.T]
    np.testing.assert_array_equal(split.pairs.same, left == right)
    counts = np.bincount(split.unseen_labels)
    number = np.minimum(counts * (counts - 1) // 2, 5).sum()
    assert (split.pairs.same.sum(), (~split.pairs.same).sum()) == (number, number)


@pytest.mark.parametrize(
    ("protocol", "train", "unseen"),
    [("sets_1_to_5", TRAIN, TEST), ("sets_6_to_10", TEST, TRAIN)],
)
def test_halves_of_view_2(lfw_like, config, tmp_path, protocol, train, unseen):
    run(lfw_like, tmp_path / "cache")
    config.data.lfw.protocol = protocol
    _, split = build_data(config)
    assert (split.train_people, split.unseen_people) == (train, unseen)
    assert np.bincount(split.pairs.folds).tolist() == [4] * 5


def test_everyone_or_those_with_an_a_leave_nobody_to_verify_on(
    lfw_like, config, tmp_path
):
    run(lfw_like, tmp_path / "cache")
    for protocol, people in (("all", PEOPLE), ("a", PEOPLE[:10])):
        config.data.lfw.protocol = protocol
        _, split = build_data(config)
        assert split.train_people == people
        assert (split.unseen_people, split.pairs) == ([], None)


def test_people_of_few_photos_are_left_out_as_configured(lfw_like, config, tmp_path):
    run(lfw_like, tmp_path / "cache")
    config.data.lfw.protocol = "all"
    config.data.min_photos = 2
    assert "Bob_9" not in build_data(config)[1].train_people


def test_a_missing_photo_is_an_error_and_leaves_nothing(lfw_like, tmp_path, capsys):
    (lfw_like / "lfw/Ann_7/Ann_7_0002.jpg").unlink()
    assert run(lfw_like, tmp_path / "cache") == 1
    error = capsys.readouterr().err
    assert "57 photos of 20 people, where LFW has 58 of 20" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "cache").exists()


def test_prepared_in_two_ways_the_config_must_choose(lfw_like, config, tmp_path):
    run(lfw_like, tmp_path / "cache")
    aligned = tmp_path / "cache/lfw-dlib-32px"
    shutil.copytree(tmp_path / "cache/lfw-none-32px", aligned)
    with pytest.raises(InputError, match="none and dlib: choose one, as in"):
        build_data(config)
    config.data.align = "none"
    assert build_data(config)[0].metadata["preprocessing"]["align"] == "none"


def test_records_are_not_taken_for_what_their_folder_is_called(
    lfw_like, config, tmp_path
):
    run(lfw_like, tmp_path / "cache")
    (tmp_path / "cache/lfw-none-32px").rename(tmp_path / "cache/lfw-dlib-32px")
    for align in (None, "dlib"):
        config.data.align = align
        with pytest.raises(InputError, match=r"with align none, data\.align is"):
            build_data(config)


def test_the_same_copy_is_there_and_changed_ones_are_not(lfw_like, tmp_path, capsys):
    run(lfw_like, tmp_path / "cache")
    assert run(lfw_like, tmp_path / "cache") == 0
    photo = lfw_like / "lfw/Ann_7/Ann_7_0002.jpg"
    draw_photo(9, 9, 9).save(photo)
    assert run(lfw_like, tmp_path / "cache") == 1
    assert "choose another --cache-dir" in capsys.readouterr().err


def test_another_copy_is_not_taken_for_the_one_that_is_there(
    lfw_like, tmp_path, capsys
):
    run(lfw_like, tmp_path / "cache")
    (lfw_like / "lfw").rename(lfw_like / "lfw-funneled")
    assert run(lfw_like, tmp_path / "cache") == 1
    said = capsys.readouterr().err
    assert "holds photos of lfw-raw, not of lfw-funneled: choose another" in said


def test_photos_without_a_face_are_counted_and_listed(
    lfw_like, config, tmp_path, monkeypatch, capsys
):
    def find_face(image):
        return Face(np.random.default_rng(0).uniform(40, 80, (68, 2)), found=False)

    monkeypatch.setattr(preprocessing, "find_face", find_face)
    assert run(lfw_like, tmp_path / "cache", "--align=dlib") == 0
    out = capsys.readouterr().out
    assert "58 photos no face found, cut where one is assumed" in out
    assert "Ann_0/Ann_0_0001.jpg" in out
    records, _ = build_data(config)
    assert len(records.metadata["faceless"]) == 58
    assert records.metadata["preprocessing"]["align"] == "dlib"
