"""Checkpoints of states with other spare columns than those that go on."""

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
