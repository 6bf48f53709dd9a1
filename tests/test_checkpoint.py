"""Checkpoints on a disk that is full, and of states with other spare columns."""

import resource
from contextlib import contextmanager

import jax
import numpy as np
import optax
import pytest

from cl_facenet.center_rules import RULES
from cl_facenet.checkpoint import Checkpoints, restore_parts
from cl_facenet.errors import InputError
from cl_facenet.models.facenet import create_model
from cl_facenet.state import create_state

PAPER = RULES["paper"]


def state_of(seed=0, spare_columns=0, classes=5):
    model = create_model(
        "tiny", "openface", 8, 16.0, classes, spare_columns=spare_columns
    )
    return create_state(model, optax.adam(1e-3), PAPER, 32, seed)


@contextmanager
def no_file_larger_than(size):
    """What a full disk does, for this process alone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_line_and_what_was_saved_is_there(tiny, tmp_path):
    checkpoints = Checkpoints(tmp_path)
    first = state_of(seed=1)
    checkpoints.save(1, first, {"position": 1})
    checkpoints._manager.wait_until_finished()
    second = state_of(seed=2)
    with no_file_larger_than(4096):
        checkpoints.save(2, second, {"position": 2})
        with pytest.raises(
            InputError, match=r"not be written \(File too large\); those"
        ):
            checkpoints.close()
    again = Checkpoints(tmp_path)
    state, data = again.restore(like=state_of())
    again.close()
    jax.tree.map(np.testing.assert_array_equal, state, first)
    assert data["position"] == 1


@pytest.mark.parametrize(("there", "here"), [(3, 0), (0, 3), (3, 1)])
def test_spare_columns_are_left_out_or_added(tiny, tmp_path, there, here):
    """A classifier on three devices goes on on one, or on two."""
    saved = state_of(seed=1, spare_columns=there)
    checkpoints = Checkpoints(tmp_path, spare_columns=there)
    checkpoints.save(1, saved, {})
    checkpoints.close()
    again = Checkpoints(tmp_path, spare_columns=here)
    state, _ = again.restore(like=state_of(spare_columns=here))
    again.close()
    expected = state_of(seed=1, spare_columns=here)
    jax.tree.map(np.testing.assert_array_equal, state, expected)
    like = {"center_state": state_of().center_state}
    centers, _ = restore_parts(tmp_path, like)
    assert centers["center_state"]["centers"].shape == (5, 8)


def test_other_people_are_not_spare_columns(tiny, tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, state_of(classes=6), {})
    checkpoints.close()
    again = Checkpoints(tmp_path, spare_columns=1)
    with pytest.raises(InputError, match=r"another model .* \[6\] there, \[5\] here"):
        again.restore(like=state_of(classes=5, spare_columns=1))
    again.close()
