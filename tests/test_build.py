"""From a config to the parts of a run."""

import numpy as np
import pytest
from tiny import tiny_config

from cl_facenet import build
from cl_facenet.errors import InputError
from cl_facenet.evaluation.verification import all_pairs


@pytest.fixture
def config(tiny, tmp_path):
    return tiny_config(tmp_path)


def test_the_number_of_classes_is_checked_where_it_is_stated(config):
    config.data.num_classes = 4
    assert len(build.build_data(config)[1].train_people) == 4
    config.data.num_classes = 5
    with pytest.raises(InputError, match=r"num_classes is 5, but the data has 4"):
        build.build_data(config)


def test_too_many_pairs_are_refused_before_the_training(config, monkeypatch):
    monkeypatch.setattr(build, "MAX_PAIRS", 44)
    with pytest.raises(InputError, match="45, over 44: lower"):
        build.build_data(config)


def test_learning_rates_are_those_of_the_schedule_in_epochs(config):
    config.optimizer.schedule = "step"
    config.optimizer.learning_rate = 1.0
    config.optimizer.warmup_epochs = 1.0
    config.optimizer.decay_epochs = (2.0, 3.0)
    _, rates = build.build_optimizer(config, num_photos=12, num_steps=8)  # 2 an epoch
    np.testing.assert_allclose(rates, [0, 0.5, 1, 1, 0.1, 0.1, 0.01, 0.01], rtol=1e-5)


def test_too_few_pairs_are_refused_before_the_training(config):
    config.data.synthetic.photos_per_person = 2
    with pytest.raises(InputError, match="4 photos is 6 pairs, under 10"):
        build.build_data(config)


def test_the_orl_protocol(config, tmp_path):
    """30 people train, 8 photos each, 2 held out; 10 people for verification."""
    config.data.name = "orl"
    records, split = build.build_data(config)
    assert (len(split.train_people), len(split.train_indices)) == (30, 240)
    np.testing.assert_array_equal(np.bincount(split.train_labels), 8)
    np.testing.assert_array_equal(np.bincount(split.heldout_labels), 2)
    assert len(split.verification_people) == 10
    _, same = all_pairs(split.verification_labels)
    assert (same.sum(), (~same).sum()) == (450, 4_500)
    photos = records.images(range(10))
    np.testing.assert_array_equal(photos[..., 0], photos[..., 1])  # grey


def test_other_photos_than_those_trained_on_are_refused(config):
    records, _ = build.build_data(config)
    trained_on = build.data_identity(records)
    build.check_data(trained_on, records)
    config.data.synthetic.num_people = 7
    other, _ = build.build_data(config)
    with pytest.raises(InputError, match="the photos have changed since this run"):
        build.check_data(trained_on, other)
