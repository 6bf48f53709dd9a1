"""Configs of earlier versions, in today's words."""

import pytest

from cl_facenet import config_history
from cl_facenet.config_history import Renamed, flat, in_todays_words, name_today, nested

OLD = {"seed": 1, "optimizer": {"average_decay": 0.9}, "data": {"align": "dlib"}}
RENAMED = {
    "optimizer.average_decay": Renamed("optimizer.ema_decay"),
    "data.align": Renamed("data.align", {"dlib": "openface"}),
    "max_bad_steps": Renamed("max_nonfinite_steps"),
}


@pytest.fixture(autouse=True)
def no_changes(monkeypatch):
    monkeypatch.setattr(config_history, "CHANGES", ())


def test_what_has_no_history_stays():
    assert in_todays_words(OLD, 1) == OLD
    assert nested(dict(flat(OLD))) == OLD


def test_keys_and_values_have_todays_names(monkeypatch):
    monkeypatch.setattr(config_history, "RENAMED", RENAMED)
    now = {"seed": 1, "optimizer": {"ema_decay": 0.9}, "data": {"align": "openface"}}
    assert in_todays_words(OLD, 1) == now
    assert in_todays_words(now, 1) == now
    unhashable = {"data": {"align": ["dlib"]}}
    assert in_todays_words(unhashable, 1) == unhashable


def test_what_a_key_meant_is_kept_from_its_version_on(monkeypatch):
    def doubled(values):
        return values | {"seed": values["seed"] * 2}

    def one_more(values):
        return values | {"seed": values["seed"] + 1}

    monkeypatch.setattr(config_history, "CHANGES", (doubled, one_more))
    assert config_history.version() == 3
    seeds = [in_todays_words({"seed": 5}, version)["seed"] for version in (1, 2, 3)]
    assert seeds == [11, 6, 5]


def test_a_key_that_was_not_there_is_as_it_was_done_before(monkeypatch):
    monkeypatch.setattr(config_history, "BEFORE", {"data.order": "sorted"})
    assert in_todays_words(OLD, 1)["data"] == {"align": "dlib", "order": "sorted"}
    newer = {"data": {"order": "random"}}
    assert in_todays_words(newer, 1) == newer


@pytest.mark.parametrize("version", [0, 99])
def test_a_later_version_is_an_error(version):
    with pytest.raises(ValueError, match=f"version {version}"):
        in_todays_words(OLD, version)


def test_the_name_of_an_old_name(monkeypatch):
    monkeypatch.setattr(config_history, "RENAMED", RENAMED)
    for name in ("average_decay", "optimizer.average_decay"):
        assert name_today(name) == "optimizer.ema_decay"
    for name in ("align", "decay", "seed", "ema_decay"):
        assert name_today(name) is None
