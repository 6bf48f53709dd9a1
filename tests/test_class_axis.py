"""Of what is as long as there are classes every device has its part, never all."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
from evaluated import CLASSES, config_of

from cl_facenet import evaluate
from cl_facenet.checkpoint import restore_parts

HERE = Path(__file__).parent


def printed_by(program, *arguments):
    """What it prints, which is JSON, last."""
    command = [sys.executable, HERE / program, *arguments]
    run = subprocess.run(command, capture_output=True, cwd=HERE.parent)
    assert run.returncode == 0, run.stderr.decode()
    return json.loads(run.stdout.splitlines()[-1])


def test_no_program_has_an_array_that_is_as_long_as_there_are_classes():
    """Steps of every loss and rule, first states, and evaluations; of 4,003 classes.

    So no collective gives one either: nothing is gathered.
    """
    found = printed_by("class_axis.py")
    assert found.pop("what is seen")
    assert len(found) == 11 * 4 + 3 * 2
    assert {name: seen for name, seen in found.items() if seen} == {}


def test_evaluation_leaves_head_and_centers_where_they_were_trained(tiny, tmp_path):
    workdir, cache = tmp_path / "run", tmp_path / "cache"
    seen = printed_by("evaluated.py", workdir, cache)
    assert seen["shapes"] == [[8, 5]]  # columns of the head: an eighth of 40 people
    centers = np.array(seen["centers"])
    assert centers.shape == (30, 8)  # as many as are drawn
    assert np.abs(centers).sum(1).all()
    whole = {"centers": jax.ShapeDtypeStruct((CLASSES, 8), np.float32)}
    parts, _ = restore_parts(workdir / "checkpoints", {"center_state": whole})
    np.testing.assert_array_equal(parts["center_state"]["centers"][:30], centers)
    on_one = evaluate.evaluate(config_of(cache), workdir)
    there = seen["results"]
    assert on_one["classification"]["num_classes"] == CLASSES
    assert on_one["classification"] == there["classification"]
    assert on_one["verification"]["auc"] == there["verification"]["auc"]
    assert on_one["data"] == there["data"]
