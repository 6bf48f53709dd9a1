"""The trainings of the experiments: the flags that they pass are still flags."""

import sys
from pathlib import Path

import pytest
from absl import flags
from ml_collections import config_flags

from cl_facenet.center_rules import RULES
from cl_facenet.config import resolve, validate
from experiments.center_rules.run import DIMS, WEIGHTS
from experiments.center_rules.run import TRAININGS as CENTER_RULES
from experiments.exports.run import WAYS
from experiments.exports.worker import SIDES
from experiments.lfw_recipe.trials import TRIALS as LFW_RECIPE
from experiments.lfw_view1.run import TRAININGS as LFW_VIEW1
from experiments.losses.run import TRAININGS as LOSSES
from experiments.orl.run import TRAININGS as ORL
from experiments.speed.run import TASKS, ratios_of
from experiments.tutorial.run import TRAININGS as TUTORIAL

ROOT = Path(__file__).parent.parent
ALL = [CENTER_RULES, LFW_RECIPE, LFW_VIEW1, *LOSSES.values(), ORL, TUTORIAL]


# ml_collections loads the file by it.
@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
@pytest.mark.parametrize(
    "given", sorted({tuple(own) for trainings in ALL for own in trainings.values()})
)
def test_every_training_is_one_that_main_takes(given, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["main", *given])  # where overrides are looked up
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values)
    values(["main", *given])
    resolve(values.config)
    validate(values.config)


def test_the_rules_are_compared_at_one_lambda():
    assert {rule.to_lambda(WEIGHTS[name], DIMS) for name, rule in RULES.items()} == {
        1.0
    }


def test_speeds_are_compared_of_sides_that_are_measured():
    one_second = {
        task: {side: {"seconds": 1.0} for side in sides}
        for task, sides in TASKS.items()
    }
    assert set(ratios_of(one_second).values()) == {1.0}


def test_every_way_to_run_an_embedder_is_one_that_a_worker_knows():
    assert {way.side for way in WAYS.values()} == set(SIDES)
