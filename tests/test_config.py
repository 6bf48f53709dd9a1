"""Keys and the values they may take."""

import pytest

from cl_facenet.config import base, resolve, validate
from cl_facenet.errors import UsageError


def check(config):
    """As a run does."""
    resolve(config)
    validate(config)


def test_the_names_that_others_rely_on():
    config = base().to_dict()
    for key in (
        *("seed", "batch_size", "num_epochs", "data.name", "data.path"),
        *("data.image_size", "model.name", "model.graph", "model.embedding_size"),
        *("loss.name", "center.weight", "center.alpha", "center.rule", "center.on"),
        *("optimizer.name", "optimizer.learning_rate"),
    ):
        value = config
        for part in key.split("."):
            value = value[part]


def test_the_data_behind_the_colon():
    assert base("orl").data.name == "orl"
    assert base("synthetic").data.name == "synthetic"
    assert (base("my/photos").data.name, base("my/photos").data.path) == (
        "folder",
        "my/photos",
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", -1),
        ("batch_size", 0),
        ("num_epochs", 0),
        ("data.name", "lfw2"),
        ("data.verification_share", 1.5),
        ("data.heldout_share", -0.1),
        ("data.num_threads", 0),
        ("data.num_classes", 0),
        ("model.logit_scale", 0.0),
        ("model.logit_scale", float("nan")),
        ("optimizer.learning_rate", float("inf")),
        ("optimizer.momentum", 2.0),
        ("optimizer.epsilon", -1e-8),
        ("data.max_photos", -1),
        ("loss.margin", 0.5),  # softmax has none
        ("loss.label_smoothing", 1.0),
        ("data.augment.blur", -1.0),
        ("loss.label_smoothing", -0.1),
        ("loss.name", "triplet_semi_hard"),  # of shuffled batches
        ("optimizer.weight_decay", -1.0),
        ("optimizer.decay_factor", -3.0),
        ("data.augment.mirror", 2.0),
        ("data.augment.shift", -1),
        ("data.image_size", 97),
        ("model.name", "nn5"),
        ("model.graph", "caffe"),
        ("model.embedding_size", 0),
        ("model.dropout", 1.0),
        ("model.dropout", -0.1),
        ("loss.name", "hinge"),
        ("center.weight", -1.0),
        ("center.alpha", 1.5),
        ("center.rule", "sandberg2"),
        ("center.on", "logits"),
        ("optimizer.name", "lion"),
        ("optimizer.schedule", "linear"),
        ("optimizer.warmup_epochs", 99.0),
    ],
)
def test_a_value_that_no_run_could_use_is_named(key, value):
    config = base()
    config.update_from_flattened_dict({key: value})
    with pytest.raises(UsageError, match=key.split(".")[-1]):
        check(config)


def test_a_folder_needs_a_path():
    config = base()
    config.data.name = "folder"
    resolve(config)
    with pytest.raises(UsageError, match=r"data\.path"):
        validate(config)


def test_what_is_left_out_is_as_its_source_has_it():
    config = base()
    config.center.rule, config.loss.name = "caffe_face", "arcface"
    resolve(config)
    assert (config.center.weight, config.center.alpha) == (0.008, 0.1)
    assert config.loss.margin == 0.5
    validate(config)


def test_what_is_given_stays():
    config = base()
    config.center.update(rule="sandberg", weight=0.0, alpha=0.0)
    config.loss.update(name="cosface", margin=0.4)
    resolve(config)
    assert (config.center.weight, config.center.alpha) == (0.0, 0.0)
    assert config.loss.margin == 0.4


def test_triplets_want_two_photos_of_a_person_in_a_batch():
    config = base()
    config.loss.name = "triplet_batch_hard"
    config.data.photos_per_person = 4
    resolve(config)
    validate(config)
    config.data.photos_per_person = 1
    with pytest.raises(UsageError, match=r"set data\.photos_per_person to 2 or more"):
        validate(config)


@pytest.mark.parametrize("key", ["label_smoothing", "class_share"])
def test_triplets_have_no_classifier_to_change(key):
    config = base()
    config.loss.name, config.data.photos_per_person = "triplet_batch_hard", 4
    config.loss[key] = 0.5
    resolve(config)
    with pytest.raises(UsageError, match=rf"loss\.{key} is 0\.5: .* leave it out"):
        validate(config)


def test_a_misspelt_key_in_a_config_file_is_an_error():
    with pytest.raises(AttributeError, match="wieght"):
        base().center.wieght = 1.0
