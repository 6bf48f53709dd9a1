"""Runs and saved embedders of earlier commits: they load, are evaluated and go on.

tests/recorded/COMMIT is what `tests/recorded/record.py` has written with that commit's
code. Nothing there is ever to be written anew: what was recorded is what people have.
"""

import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from recorded.record import images
from tiny import tiny_config

import cl_facenet
from cl_facenet.errors import UsageError
from cl_facenet.evaluate import evaluate
from cl_facenet.metrics import read_metrics
from cl_facenet.params import leaves
from cl_facenet.run_config import read_run_config
from cl_facenet.train import train

RECORDED = Path(__file__).parent / "recorded"
COMMITS = sorted(path.name for path in RECORDED.iterdir() if path.is_dir())
RUNS = ("paper", "sandberg")

pytestmark = pytest.mark.parametrize("commit", [c for c in COMMITS if c[0] != "_"])


@pytest.fixture
def recorded(commit, tiny, tmp_path, monkeypatch):
    """A copy, in the working directory: its data are cached beside it."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(RECORDED / commit, tmp_path / commit)


@pytest.mark.parametrize("name", [*RUNS, "model"])
def test_the_vectors_are_those_of_then(recorded, name):
    vectors = json.loads((recorded / "vectors.json").read_text())[name]
    embedder = cl_facenet.load(recorded / name)
    np.testing.assert_allclose(embedder(images()), vectors, atol=1e-6)
    assert embedder.card.trained_on.step == 20
    assert embedder.card.results is not None


@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_evaluated_by_its_own_config(recorded, name):
    then = json.loads((recorded / name / "results.json").read_text())
    now = evaluate(None, recorded / name)
    assert (now["step"], now["num_steps"]) == (20, 22)
    for part, key in (("classification", "accuracy"), ("verification", "auc")):
        assert now[part][key] == pytest.approx(then[part][key], abs=1e-6)
    assert now["data"]["train_people"] == then["data"]["train_people"]


@pytest.mark.parametrize("name", RUNS)
def test_a_run_goes_on_to_its_end(recorded, name, capsys):
    results = train(read_run_config(recorded / name), recorded / name)
    assert results["step"] == results["num_steps"] == 22
    assert "steps 20 to 22" in capsys.readouterr().err
    rows = read_metrics(recorded / name / "metrics.jsonl")
    assert [row["step"] for row in rows] == [*range(2, 23, 2)]
    before, after = (row["train/center_loss"] for row in rows[-2:])
    assert 0.5 < after / before < 2  # its weight means what it meant


def test_a_run_goes_on_by_the_command_that_began_it(recorded):
    assert train(tiny_config("cache"), recorded / "paper")["step"] == 22
    other = tiny_config("cache", seed=1)
    with pytest.raises(UsageError, match=r"another config: seed \(0 there, 1 here\);"):
        evaluate(other, recorded / "paper")


@pytest.mark.parametrize("name", [*RUNS, "model"])
def test_a_new_run_begins_with_it(recorded, name, tmp_path):
    config = tiny_config("cache", init_from=str(recorded / name), num_epochs=1)
    config.optimizer.learning_rate = 0.0
    config.optimizer.warmup_epochs = 0.0
    train(config, tmp_path / "new")
    old, new = (
        dict(leaves(cl_facenet.drop_head(cl_facenet.load(path).params["params"])))
        for path in (recorded / name, tmp_path / "new")
    )
    jax.tree.map(np.testing.assert_array_equal, new, old)
