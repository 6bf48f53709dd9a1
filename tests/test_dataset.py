"""From the data section of a config to photos and who is trained on."""

import numpy as np
import pytest
from tiny import tiny_config

from cl_facenet import dataset
from cl_facenet.data import pairs
from cl_facenet.errors import InputError


@pytest.fixture
def config(tiny, tmp_path):
    return tiny_config(tmp_path)


def test_the_number_of_classes_is_checked_where_it_is_stated(config):
    config.data.num_classes = 4
    assert len(dataset.build_data(config)[1].train_people) == 4
    config.data.num_classes = 5
    with pytest.raises(InputError, match=r"num_classes is 5, but the data has 4"):
        dataset.build_data(config)


def test_other_photos_of_the_same_names_sizes_and_times_are_others(config):
    records, _ = dataset.build_data(config)
    trained_on = dataset.data_identity(records)
    dataset.check_data(trained_on, records)
    early = {name: x for name, x in trained_on.items() if name != "content"}
    dataset.check_data(early, records)  # of a run from before content was kept
    with pytest.raises(
        InputError, match="the photos have changed since this run began"
    ):
        dataset.check_data(trained_on | {"content": "others"}, records)


def test_too_many_pairs_are_refused_before_the_training(config, monkeypatch):
    monkeypatch.setattr(pairs, "MAX_PAIRS", 44)
    with pytest.raises(InputError, match="45, over 44: lower"):
        dataset.build_data(config)


def test_too_few_pairs_are_refused_before_the_training(config):
    config.data.synthetic.photos_per_person = 2
    with pytest.raises(InputError, match="on 6 pairs, under 10"):
        dataset.build_data(config)


def test_the_orl_protocol(config, tmp_path):
    """30 people train, 8 photos each, 2 held out; 10 people for verification."""
    config.data.name = "orl"
    records, split = dataset.build_data(config)
    assert (len(split.train_people), len(split.train_indices)) == (30, 240)
    np.testing.assert_array_equal(np.bincount(split.train_labels), 8)
    np.testing.assert_array_equal(np.bincount(split.heldout_labels), 2)
    assert len(split.unseen_people) == 10
    same = split.pairs.same
    assert (same.sum(), (~same).sum()) == (450, 4_500)
    photos = records.images(range(10))
    np.testing.assert_array_equal(photos[..., 0], photos[..., 1])  # grey


def test_other_photos_than_those_trained_on_are_refused(config):
    records, _ = dataset.build_data(config)
    trained_on = dataset.data_identity(records)
    dataset.check_data(trained_on, records)
    config.data.synthetic.num_people = 7
    other, _ = dataset.build_data(config)
    with pytest.raises(InputError, match="the photos have changed since this run"):
        dataset.check_data(trained_on, other)
