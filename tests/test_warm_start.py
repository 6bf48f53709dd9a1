"""A run that begins with another's trunk: what it keeps, what is new, what it refuses.

`first` is a run of 4 people; those of `config` have 7.
"""

import json
import shutil

import jax
import numpy as np
import pytest
from tiny import TINY, tiny_config

import cl_facenet
from cl_facenet import shipped
from cl_facenet.build import build_model, build_optimizer, build_start
from cl_facenet.checkpoint import Checkpoints, restore_parts
from cl_facenet.dataset import build_data, data_identity
from cl_facenet.errors import InputError, UsageError
from cl_facenet.interop.tensors import write_variables
from cl_facenet.metrics import read_metrics
from cl_facenet.models import facenet
from cl_facenet.models.facenet import abstract_variables
from cl_facenet.params import drop_head
from cl_facenet.train import train
from cl_facenet.warm_start import warm_start


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def first(cache, tmp_path_factory):
    """A run of 4 people (6, less 2 for verification), 6 steps long."""
    workdir = tmp_path_factory.mktemp("runs") / "first"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(facenet.NETWORKS, "tiny", TINY)
        train(tiny_config(cache, num_epochs=2), workdir)
    return workdir


@pytest.fixture
def saved(tiny, first, tmp_path):
    """The embedder of `first` in a folder."""
    cl_facenet.load(first).save(tmp_path / "saved")
    return tmp_path / "saved"


@pytest.fixture
def config(tiny, cache, first):
    """Of 7 people (9, less 2), 10 steps long, to begin with `first`."""
    config = tiny_config(cache, num_epochs=2, init_from=str(first))
    config.data.synthetic.num_people = 9
    return config


def fresh(config):
    """The state that a run of `config` would begin with, and what it is checked by."""
    records, split = build_data(config)
    tx, _ = build_optimizer(config, num_photos=len(split.train_indices), num_steps=1)
    model = build_model(config, len(split.train_people))
    state = build_start(config, model, tx).state
    return state, {
        "model": config.model,
        "data": data_identity(records),
        "unseen": split.unseen_people,
    }


def body_of(workdir, config):
    """Trunk, embedding and batch statistics of a run's newest checkpoint."""
    like = abstract_variables(build_model(config, 4), config.data.image_size)
    like["params"] = drop_head(like["params"])
    return restore_parts(workdir / "checkpoints", like)[0]


def assert_same(tree, other):
    jax.tree.map(np.testing.assert_array_equal, tree, other)


def test_trunk_and_embedding_are_kept_and_all_else_is_new(first, config):
    new, about = fresh(config)
    state, _ = warm_start(new, first, **about)
    body = {"params": drop_head(state.params), "batch_stats": state.batch_stats}
    assert_same(body, body_of(first, config))
    assert (new.params["trunk"]["conv1"]["conv"]["kernel"]).any()
    assert_same(state.params["logits"], new.params["logits"])
    assert state.params["logits"]["bias"].shape == (7,)
    for name in ("center_state", "opt_state", "step"):
        assert_same(getattr(state, name), getattr(new, name))


def test_the_report_names_what_was_kept(first, config):
    state, about = fresh(config)
    _, report = warm_start(state, first, **about)
    trunk = (7 * 7 * 3 * 16 + 3 * 16) + (3 * 3 * 16 * 32 + 3 * 32)
    assert report == (
        f"init_from {first} at step 6: trunk and embedding kept (10 arrays, "
        f"{trunk + 128 * 8 + 8:,} numbers; batch statistics 4 arrays, 96 numbers); "
        "head (2 arrays, 63 numbers), centers and optimizer are new"
    )


def test_a_file_of_our_own_is_as_good_as_the_run(first, config, tmp_path):
    state, about = fresh(config)
    write_variables(tmp_path / "body.safetensors", body_of(first, config))
    from_run, _ = warm_start(state, first, **about)
    from_file, report = warm_start(state, tmp_path / "body.safetensors", **about)
    assert_same(from_file, from_run)
    assert report.startswith(f"init_from {tmp_path / 'body.safetensors'}: trunk and")


def test_a_saved_embedder_is_as_good_as_the_run(first, saved, config):
    state, about = fresh(config)
    about["unseen"] = []
    from_run, _ = warm_start(state, first, **about)
    from_folder, report = warm_start(state, saved, **about)
    assert_same(from_folder, from_run)
    assert report.startswith(f"init_from {saved}: trunk and embedding kept (10 arrays")


def test_a_shipped_embedder_goes_by_its_name(first, saved, config, monkeypatch):
    monkeypatch.setattr(shipped, "_HERE", saved.parent)
    state, about = fresh(config)
    about["unseen"] = []
    from_run, _ = warm_start(state, first, **about)
    by_name, report = warm_start(state, "saved", **about)
    assert_same(by_name, from_run)
    assert report.startswith("init_from saved: trunk and embedding kept")


def test_a_run_begins_with_it_and_says_so(first, config, tmp_path, capsys):
    config.optimizer.learning_rate = 0.0  # so that what it began with is still there
    config.center.alpha = 0.0
    results = train(config, tmp_path / "second")
    assert results["step"] == results["num_steps"] == 10
    assert len(results["data"]["train_people"]) == 7
    ours, theirs = body_of(tmp_path / "second", config), body_of(first, config)
    assert_same(ours["params"], theirs["params"])
    said = capsys.readouterr().err
    assert "7 people" in said
    assert f"\ninit_from {first} at step 6: trunk and embedding kept" in said


class KilledError(Exception):
    """In place of a kill -9."""


def train_until(config, workdir, *, saves):
    """Trains, and is killed when it is about to save once more."""
    left = iter(range(saves))

    def save(self, *args, save=Checkpoints.save):
        if next(left, None) is None:
            raise KilledError
        save(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "save", save)
        with pytest.raises(KilledError):
            train(config, workdir)


def test_killed_and_resumed_it_ends_as_if_never_stopped(
    first, config, tmp_path, capsys
):
    """Before the first checkpoint the source is read again, after it never again."""
    source = shutil.copytree(first, tmp_path / "source")
    config.init_from = str(source)
    train(config, tmp_path / "whole")
    train_until(config, tmp_path / "broken", saves=0)
    assert "init_from" in capsys.readouterr().err
    train_until(config, tmp_path / "broken", saves=1)
    assert "init_from" in capsys.readouterr().err
    shutil.rmtree(source)
    train(config, tmp_path / "broken")
    heading = capsys.readouterr().err
    assert "steps 5 to 10" in heading
    assert "init_from" not in heading
    runs = tmp_path / "whole", tmp_path / "broken"
    assert_same(*(body_of(run, config) for run in runs))
    losses = [
        [row["train/loss"] for row in read_metrics(run / "metrics.jsonl")]
        for run in runs
    ]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("key", "value"), [("name", "nn4.small2"), ("graph", "dl4j"), ("embedding_size", 9)]
)
def test_another_model_is_refused(first, saved, config, key, value):
    state, about = fresh(config)
    about["model"] = dict(about["model"]) | {key: value}
    for source in (first, saved):
        with pytest.raises(
            UsageError, match=rf"init_from=.* has model\.{key} .*{value}"
        ):
            warm_start(state, source, **about)


def test_the_scale_of_the_logits_may_differ(first, config):
    config.model.logit_scale = 3.0
    state, about = fresh(config)
    warm_start(state, first, **about)


def test_photos_prepared_otherwise_are_refused(first, saved, config):
    state, about = fresh(config)
    way = about["data"]["preprocessing"] | {"align": "dlib"}
    about["data"] = about["data"] | {"preprocessing": way}
    for source in (first, saved):
        with pytest.raises(InputError, match=r"prepared as align dlib.* as align none"):
            warm_start(state, source, **about)


def test_a_run_that_knows_the_unseen_is_refused(first, config, capsys):
    """The same photos split by another seed; of other photos it is said."""
    config.data.synthetic.num_people = 6
    state, about = fresh(config)
    warm_start(state, first, **about)
    trained_on = list(json.loads((first / "people.json").read_text()))
    about["unseen"] = [*about["unseen"], trained_on[1]]
    with pytest.raises(InputError, match=f"1 of the people .*such as {trained_on[1]}:"):
        warm_start(state, first, **about)
    about["unseen"][-1] = f" {trained_on[1].upper()} "
    with pytest.raises(InputError, match="1 of the people"):
        warm_start(state, first, **about)
    capsys.readouterr()
    about["data"] = about["data"] | {"fingerprint": "other photos"}
    warm_start(state, first, **about)
    said = capsys.readouterr().err
    assert "was trained on other photos, of 1 people with names of those" in said


def test_a_saved_embedder_that_knows_the_unseen_is_refused(first, saved, config):
    """It tells but the name of its data: where that is the same, people are."""
    state, about = fresh(config)
    trained_on = list(json.loads((first / "people.json").read_text()))
    about["unseen"] = [trained_on[1]]
    with pytest.raises(InputError, match=f"1 of the people .*such as {trained_on[1]}:"):
        warm_start(state, saved, **about)
    about["data"] = about["data"] | {"source": "other photos"}
    warm_start(state, saved, **about)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("nowhere", "nowhere: no such file or folder of weights"),
        ("", "holds no CSV files"),
        ("a.pth", "save its state dict as safetensors"),
    ],
)
def test_a_bad_source_leaves_nothing_written(config, tmp_path, source, says):
    (tmp_path / "a.pth").touch()
    config.init_from = str(tmp_path / source)
    with pytest.raises(InputError, match=says):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_that_has_saved_nothing_yet(first, config, tmp_path):
    source = shutil.copytree(first, tmp_path / "source")
    shutil.rmtree(source / "checkpoints")
    state, about = fresh(config)
    with pytest.raises(InputError, match="holds no checkpoint"):
        warm_start(state, source, **about)
