"""Many devices do what one does, by either mode, however the mesh is shaped."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from cl_facenet.errors import UsageError
from cl_facenet.sharding import GlobalView, make_layout, own_rows, room_for
from cl_facenet.whole_files import write_whole

PROGRAM = Path(__file__).parent / "layouts.py"
LAYOUTS = ("1x1", "8x1", "4x2", "2x4", "pmap")
LOSSES = (
    *(("mse", "4x2"), ("arcface", "4x2"), ("arcface", "pmap")),
    *(("triplets", "4x2"), ("triplets", "pmap"), ("sampled", "4x2")),
)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What layouts.py prints; it is run once for all workers of pytest-xdist."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return json.loads(layouts())
    shared = tmp_path_factory.getbasetemp().parent / "layouts"
    try:
        shared.mkdir()
    except FileExistsError:
        while not (shared / "failed").exists():
            if (shared / "seen.json").exists():
                return json.loads((shared / "seen.json").read_text())
            time.sleep(0.1)
        pytest.fail("layouts.py has failed in another worker")
    try:
        write_whole(shared / "seen.json", layouts())
    except BaseException:
        (shared / "failed").touch()
        raise
    return json.loads((shared / "seen.json").read_text())


def layouts():
    command = [sys.executable, PROGRAM]
    run = subprocess.run(command, capture_output=True, cwd=PROGRAM.parents[1])
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout


def assert_close(one, other, rtol=1e-4, atol=1e-5):
    np.testing.assert_allclose(one["losses"], other["losses"], rtol=rtol)
    np.testing.assert_allclose(one["centers"], other["centers"], rtol=rtol, atol=atol)
    assert one["step"] == other["step"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_follows_one_device(seen, layout):
    """Twelve rows on eight devices, seven people on two and four."""
    assert_close(seen["softmax"]["one"], seen["softmax"][layout])


def test_a_mesh_of_one_device_is_one_device_to_the_last_bit(seen):
    assert seen["softmax"]["1x1"] == seen["softmax"]["one"]


@pytest.mark.parametrize(("loss", "layout"), LOSSES)
def test_with_every_kind_of_loss_and_rule(seen, loss, layout):
    assert_close(seen[loss]["one"], seen[loss][layout], rtol=1e-3, atol=1e-4)


def test_batch_statistics_a_device_are_those_of_parts(seen):
    """Not synchronised, a device's rows are normalised by themselves."""
    assert_close(seen["apart"]["pmap"], seen["apart"]["one"])
    apart, together = (seen[of]["pmap"]["losses"] for of in ("apart", "softmax"))
    assert np.abs(np.subtract(apart, together)).max() > 0.01


@pytest.mark.parametrize(("layout", "columns"), [("4x2", 8), ("2x4", 8)])
def test_what_grows_with_the_people_is_split(seen, layout, columns):
    split = seen["softmax"][layout]["split"]
    assert split["center_state/centers"] == [columns, 8]
    assert split["params/logits/kernel"] == [8, columns]
    assert split["params/logits/bias"] == [columns]
    moments = [path for path in split if path.startswith("opt_state")]
    assert len(moments) == 4  # two of the kernel, two of the bias
    assert seen["softmax"][layout]["spare"] == 0


def test_devices_that_do_not_split_so_are_refused():
    with pytest.raises(UsageError, match=r"parallel.model_axis is 3, but there are 1"):
        make_layout("jit", model_axis=3, sync_batch_norm=True)


def test_one_device_has_no_mesh_and_all_rows():
    layout = make_layout("jit", model_axis=1, sync_batch_norm=True)
    assert (layout, jax.device_count()) == (GlobalView(), 1)
    assert room_for(layout, 5) == 5
    assert room_for(layout, 5, micro_batches=2) == 6
    assert own_rows(layout, 5) == range(5)
