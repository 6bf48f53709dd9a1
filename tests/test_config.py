"""Keys and the values they may take."""

import re

import pytest
from ml_collections import ConfigDict, FrozenConfigDict

from cl_facenet.center_rules import RULES
from cl_facenet.config import base, completed, resolve, validate
from cl_facenet.config_history import flat, nested
from cl_facenet.errors import UsageError
from cl_facenet.unread_keys import READERS, meaning


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
    assert (config.loss.margin, config.model.logit_scale) == (0.5, 64.0)
    validate(config)


def test_what_is_given_stays():
    config = base()
    config.center.update(rule="sandberg", weight=0.0, alpha=0.0)
    config.loss.update(name="cosface", margin=0.4)
    config.model.logit_scale = 30.0
    config.optimizer.update(name="sgd", momentum=0.0, weight_decay=0.0)
    resolve(config)
    assert (config.center.weight, config.center.alpha) == (0.0, 0.0)
    assert (config.loss.margin, config.model.logit_scale) == (0.4, 30.0)
    assert (config.optimizer.momentum, config.optimizer.weight_decay) == (0.0, 0.0)


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


def changed(**changes):
    config = base(changes.pop("data", "orl"))
    config.update_from_flattened_dict(changes)
    return config


@pytest.mark.parametrize("rule", RULES)
def test_the_weight_of_a_center_loss_is_lambda_under_every_rule(rule):
    """Given, it stays; left out, it is what the source's own amounts to."""
    given = changed(**{"center.rule": rule, "center.weight": 1.0})
    assert completed(given).center.weight == 1.0
    own = RULES[rule].to_lambda(RULES[rule].weight, 128)
    assert completed(changed(**{"center.rule": rule})).center.weight == own


def test_the_weights_of_sources_are_converted():
    lambdas = {name: rule.to_lambda(0.01, 512) for name, rule in RULES.items()}
    assert lambdas.pop("sandberg") == 2 * 0.01 / 512
    assert lambdas.pop("pytorch") == 0.02
    assert set(lambdas.values()) == {0.01}


@pytest.mark.parametrize(
    ("loss", "scale"),
    [
        ("softmax", 8),
        ("mse", 8),
        ("arcface", 64),
        ("cosface", 64),
        ("sphereface", None),
    ],
)
def test_a_loss_brings_its_scale(loss, scale):
    assert completed(changed(**{"loss.name": loss})).model.logit_scale == scale


@pytest.mark.parametrize(
    ("optimizer", "own"),
    [
        ("adam", (0.05, None, 1e-8)),
        ("adam_dl4j", (5e-5, None, 1e-8)),
        ("sgd", (5e-4, 0.9, None)),
        ("adagrad", (0.0, None, None)),
    ],
)
def test_an_optimizer_brings_its_numbers(optimizer, own):
    section = completed(changed(**{"optimizer.name": optimizer})).optimizer
    assert (section.weight_decay, section.momentum, section.epsilon) == own


def test_a_schedule_brings_its_steps_and_a_training_its_warm_up():
    one = completed(changed(**{"optimizer.schedule": "step", "num_epochs": 28}))
    assert one.optimizer.decay_epochs == (16, 24)
    assert (one.optimizer.decay_factor, one.optimizer.warmup_epochs) == (0.1, 2.0)
    assert completed(changed(num_epochs=1)).optimizer.warmup_epochs == 0.25


# By key: a choice that does not read it, a value, and a choice that does.
UNREAD = {
    "loss.margin": ({}, 0.5, {"loss.name": "arcface"}),
    "loss.label_smoothing": (
        {"loss.name": "triplet_semi_hard", "data.photos_per_person": 2},
        0.1,
        {},
    ),
    "loss.class_share": (
        {"loss.name": "triplet_batch_hard", "data.photos_per_person": 2},
        0.5,
        {},
    ),
    "model.logit_scale": ({"loss.name": "softmax_of_features"}, 20.0, {}),
    "optimizer.momentum": ({}, 0.9, {"optimizer.name": "sgd"}),
    "optimizer.epsilon": ({"optimizer.name": "adagrad"}, 0.1, {}),
    "optimizer.decay_epochs": ({}, (3.0,), {"optimizer.schedule": "step"}),
    "optimizer.decay_factor": ({}, 0.5, {"optimizer.schedule": "step"}),
    "data.path": ({"data": "synthetic"}, "photos", {"data.name": "folder"}),
    "data.lfw.protocol": ({}, "a", {"data": "lfw"}),
    "data.synthetic.num_people": ({}, 7, {"data": "synthetic"}),
    "data.synthetic.photos_per_person": ({}, 7, {"data": "synthetic"}),
    "data.verification_share": ({"data": "lfw"}, 0.5, {}),
    "data.skip_unreadable": ({"data": "lfw"}, True, {}),
    "data.composites.photos": ({}, 2, {"data.composites.people": 5}),
    "parallel.model_axis": ({"parallel.mode": "pmap"}, 2, {}),
    "parallel.sync_batch_norm": ({}, False, {"parallel.mode": "pmap"}),
}


def test_every_key_that_some_choice_does_not_read_is_tried():
    assert set(UNREAD) == {key for readers in READERS for key in readers.keys}
    assert set(UNREAD) < set(dict(flat(base())))


@pytest.mark.parametrize("key", UNREAD)
def test_a_key_that_its_choice_does_not_read_is_refused(key):
    choice, value, reader = UNREAD[key]
    line = rf"^{key} is .*: \S+=\S+ does not read it, leave it out .* \(read by .+\)$"
    with pytest.raises(UsageError, match=line):
        completed(changed(**choice, **{key: value}))
    completed(changed(**reader, **{key: value}))


def test_configs_that_differ_in_unread_keys_alone_are_of_one_meaning():
    """A run of before a key belonged to a choice has it set all the same."""
    ours, theirs = completed(changed()), completed(changed())
    theirs.optimizer.update(momentum=0.9, decay_factor=0.1)
    theirs.data.lfw.protocol = "a"
    assert meaning(ours) == meaning(theirs) == meaning(theirs.to_dict())
    theirs.optimizer.epsilon = 0.1
    assert meaning(ours) != meaning(theirs)


def test_completing_changes_a_copy_and_a_completed_one_not():
    config = changed(**{"loss.name": "cosface", "optimizer.name": "sgd"})
    before = config.to_dict()
    once = completed(config)
    assert config.to_dict() == before
    assert completed(once).to_dict() == once.to_dict()
    assert once.is_locked


def test_what_a_file_has_for_one_choice_is_not_another_s():
    """nn4.py gives the softmax of LFW 20: no margin's scale, and no triplet's."""
    config = changed(
        brings=(
            ("loss.name", "softmax", "model.logit_scale", 20.0),
            ("optimizer.name", "sgd", "optimizer.momentum", 0.5),
        )
    )
    assert completed(config).model.logit_scale == 20
    assert completed(config).optimizer.momentum is None
    config.update_from_flattened_dict(
        {"loss.name": "arcface", "optimizer.name": "sgd", "optimizer.momentum": 0.7}
    )
    once = completed(config)
    assert (once.model.logit_scale, once.optimizer.momentum) == (64, 0.7)
    config.loss.name, config.data.photos_per_person = "triplet_semi_hard", 2
    assert completed(config).model.logit_scale is None
    assert once.brings == ()  # it has brought it


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("optimizer.warmup_epochs", 2.0, "0 to num_epochs, which is 1"),
        ("micro_batches", 33, "1 to batch_size, which is 32"),
        ("optimizer.decay_epochs", (2.0,), r"2\.0 .* \(num_epochs is 1\)"),
    ],
)
def test_a_limit_that_is_another_key_is_named(key, value, says):
    step = {"optimizer.schedule": "step"} if key.endswith("decay_epochs") else {}
    with pytest.raises(UsageError, match=f"^{key} is .*{says}"):
        completed(changed(num_epochs=1, **step, **{key: value}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"optimizer.weight_decy": 0.1},
            "optimizer.weight_decy: no such config key; di",
        ),
        ({"wibble": 1}, "wibble: no such config key"),
        ({"batch_size": None}, "batch_size is None: give a value"),
        ({"loss.class_share": None}, "loss.class_share is None: give a value"),
        ({"brings": (1,)}, "brings has 1: give choice, value, key, its value"),
        (
            {"brings": (("loss.name", "softmax", "loss.nope", 1.0),)},
            "brings has 'loss.nope': no such config key",
        ),
    ],
)
def test_keys_that_there_are_not_and_values_that_mean_nothing(change, says):
    values = dict(flat(base("synthetic").to_dict())) | change
    with pytest.raises(UsageError, match=re.escape(says)):
        completed(ConfigDict(nested(values)))


@pytest.mark.parametrize("config", [None, {"a": 1}, "configs/nn4.py"])
def test_what_is_no_config(config):
    with pytest.raises(UsageError, match="is no config: begin with"):
        completed(config)


def test_a_config_with_a_key_missing_and_a_frozen_one():
    with pytest.raises(UsageError, match="this config key is missing"):
        completed(ConfigDict({"seed": 0}))
    assert completed(FrozenConfigDict(base("synthetic"))) == completed(
        base("synthetic")
    )
