"""The config of a run, complete, and whether another one means the same."""

import json

import pytest
from tiny import tiny_config

from cl_facenet import config_history, workdir
from cl_facenet.config import base
from cl_facenet.config_history import Renamed, flat
from cl_facenet.errors import InputError, UsageError
from cl_facenet.run_config import check_run_config, override, read_run_config

DEFAULTS = dict(flat(base().to_dict()))


@pytest.fixture
def config():
    return tiny_config("cache")


@pytest.fixture
def run(config, tmp_path):
    workdir.claim(tmp_path, config.to_dict(), {"Ada": 3})
    return tmp_path


def rewrite(run, change):
    """Changes the flat values in a run's config.json."""
    path = run / "config.json"
    values = dict(flat(json.loads(path.read_text())))
    path.write_text(json.dumps(config_history.nested(change(values))))


def test_a_config_comes_back(run, config):
    config.report.published_roc = ("curve.txt",)
    rewrite(run, lambda values: values | {"report.published_roc": ["curve.txt"]})
    assert read_run_config(run) == config


@pytest.mark.parametrize("key", sorted(DEFAULTS))
def test_a_run_from_before_there_was_a_key_goes_on(run, config, key):
    """With the default, if that is what was done then; another value is another run."""
    rewrite(run, lambda values: {k: x for k, x in values.items() if k != key})
    default = dict(flat(read_run_config(run).to_dict()))[key]
    config.update_from_flattened_dict({key: default})
    check_run_config(run, config)


def test_a_run_from_before_there_were_versions(run, config):
    rewrite(run, lambda x: {k: v for k, v in x.items() if k != "config_version"})
    check_run_config(run, config)


def test_renamed_keys_are_the_same_keys(run, config, monkeypatch):
    def old(values):
        return {("rate" if k == "batch_size" else k): x for k, x in values.items()}

    rewrite(run, old)
    monkeypatch.setattr(config_history, "RENAMED", {"rate": Renamed("batch_size")})
    check_run_config(run, config)
    assert workdir.read_config(run)["batch_size"] == 6


def test_another_config_is_refused_with_all_keys_that_differ(run, config):
    config.seed, config.center.alpha, config.optimizer.warmup_epochs = 1, 0.25, 2.0
    with pytest.raises(UsageError) as caught:
        check_run_config(run, config)
    for says in ("seed (0 there, 1 here)", "center.alpha (0.5 there, 0.25 here)"):
        assert says in str(caught.value)
    assert "decay_epochs" not in str(caught.value)  # tuples come back as lists


def test_what_is_the_machine_s_own_may_differ(run, config):
    config.data.num_threads, config.parallel.mode = 8, "pmap"
    check_run_config(run, config)


def test_what_is_not_read_may_differ(run, config):
    config.optimizer.momentum = 0.5  # which Adam has none of
    check_run_config(run, config)


def test_what_is_the_machine_s_own_may_be_typed(run):
    config = read_run_config(run)
    for key, text, value in (
        ("data.cache_dir", "/elsewhere", "/elsewhere"),
        ("data.num_threads", "8", 8),
        ("model.remat", "True", True),
        ("report.published_roc", "('a.txt',)", ("a.txt",)),
    ):
        override(config, key, text)
        assert dict(flat(config.to_dict()))[key] == value
    check_run_config(run, config)
    with pytest.raises(
        UsageError, match=r"--config.seed: the run in --workdir goes on"
    ):
        override(config, "seed", "1")
    with pytest.raises(UsageError, match="=many: give one like 8"):
        override(config, "data.num_threads", "many")


def test_what_differs_is_named_with_a_way_to_go_on(run, config):
    config.seed, config.data.num_threads = 1, 7
    with pytest.raises(UsageError, match=r"seed \(0 there, 1 here\); .* no --config"):
        check_run_config(run, config)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"optimizer.lookahead": 3}, r"does not know \(optimizer.lookahead\): go on w"),
        ({"batch_size": "many"}, "config.json: batch_size cannot be 'many'"),
        ({"center.rule": "mine"}, "config.json: center.rule is 'mine': choose one of"),
        ({"config_version": 99}, "of a later cl_facenet .config_version 99, this"),
        ({"config_version": "x"}, "of a later cl_facenet .config_version 'x', this"),
    ],
)
def test_a_config_that_cannot_be_read_is_the_files_fault(run, values, says):
    rewrite(run, lambda there: there | values)
    with pytest.raises(InputError, match=says) as caught:
        read_run_config(run)
    assert caught.value.exit_status == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\0\0", b"\xff", b"[" * 10**5])
def test_a_damaged_config_is_named(run, content):
    (run / "config.json").write_bytes(content)
    with pytest.raises(InputError, match=r"config\.json is damaged") as caught:
        read_run_config(run)
    assert "remove" not in str(caught.value)
