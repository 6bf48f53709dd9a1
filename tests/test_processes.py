"""Several real processes on this machine are one training, and one that goes on."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cl_facenet.errors import UsageError
from cl_facenet.metrics import read_metrics
from cl_facenet.processes import join_cluster, join_hosts

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "tests" / "tiny.py"
CLOCK = ("train/photos_per_second", "train/data_wait_share")
ENOUGH = 120  # seconds


# A process of the tiny training that fails to read a step: WHICH STEP, then its own.
FAILING = """
import runpy, sys
import jax
import orbax.checkpoint as ocp
which, step = int(sys.argv.pop(1)), int(sys.argv.pop(1))
restore = ocp.CheckpointManager.restore
def fail(manager, number, *args, **kwargs):
    if jax.process_index() == which and number == step:
        raise OSError(116, "Stale file handle")
    return restore(manager, number, *args, **kwargs)
ocp.CheckpointManager.restore = fail
sys.path.insert(0, "tests")
runpy.run_path("tests/tiny.py", run_name="__main__")
"""


def start(
    workdir,
    cache,
    *,
    changes=None,
    hosts=(),
    devices=1,
    seconds_a_step=0.0,
    blocks_a_file="unlimited",
    program=(PROGRAM,),
):
    """A process of the tiny training for each host, or one alone."""
    given = [workdir, cache, seconds_a_step, json.dumps(changes or {})]
    limited = ["sh", "-c", f'ulimit -f {blocks_a_file}; exec "$@"', "sh"]
    flags = os.environ["XLA_FLAGS"]
    flags += f" --xla_force_host_platform_device_count={devices}"
    return [
        subprocess.Popen(
            [*limited, sys.executable, *program, *map(str, given + which)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=os.environ | {"XLA_FLAGS": flags},
        )
        for which in ([[",".join(hosts), i] for i in range(len(hosts))] or [[]])
    ]


def finish(processes):
    said = [process.communicate(timeout=ENOUGH)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(said), said
    return said


def local_hosts(number):
    """As many of this machine, meeting at a port that is free."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    return [f"localhost:{port}", *["localhost"] * (number - 1)]


def steps(workdir):
    """That are saved."""
    names = (path.name for path in (workdir / "checkpoints").iterdir())
    return sorted(int(name) for name in names if name.isdigit())


def wait_for_checkpoint(workdir, processes, step=5):
    deadline = time.monotonic() + ENOUGH
    while not (workdir / "checkpoints" / str(step)).exists():
        assert all(process.poll() is None for process in processes)
        assert time.monotonic() < deadline
        time.sleep(0.02)


def assert_same(workdir, other):
    """The same steps with the same metrics, but for the last digits and the clock."""
    rows, other_rows = (read_metrics(d / "metrics.jsonl") for d in (workdir, other))
    assert [row["step"] for row in rows] == [row["step"] for row in other_rows]
    for row, other_row in zip(rows, other_rows, strict=True):
        for name in row.keys() - set(CLOCK):
            np.testing.assert_allclose(row[name], other_row[name], rtol=2e-3, atol=1e-4)
    results = [json.loads((d / "results.json").read_text()) for d in (workdir, other)]
    assert results[0]["step"] == results[1]["step"]
    assert results[0]["verification"]["auc"] == pytest.approx(
        results[1]["verification"]["auc"], abs=0.02
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def alone(cache, tmp_path_factory):
    """The run of one process on one device."""
    workdir = tmp_path_factory.mktemp("alone")
    finish(start(workdir, cache))
    return workdir


def test_two_processes_are_one_training(alone, cache, tmp_path):
    """One of them is asked to end: both do, at the same step, and go on from there."""
    workdir = tmp_path / "run"
    processes = start(workdir, cache, hosts=local_hosts(2), seconds_a_step=0.3)
    wait_for_checkpoint(workdir, processes)
    processes[1].terminate()
    said = finish(processes)
    assert "2 x cpu in 2 processes" in said[0]
    assert "stopped by SIGTERM at step" in said[0]
    assert "photos of" not in said[1]
    finish(start(workdir, cache, hosts=local_hosts(2)))
    assert_same(workdir, alone)


def test_two_processes_go_on_from_one_step(alone, cache, tmp_path):
    """The second cannot read the newest: both end. Damaged, both pass it over."""
    workdir = tmp_path / "run"
    processes = start(workdir, cache, hosts=local_hosts(2), seconds_a_step=0.3)
    wait_for_checkpoint(workdir, processes, step=10)
    processes[0].terminate()
    finish(processes)
    before, last = steps(workdir)
    failing = ("-c", FAILING, "1", str(last))
    processes = start(workdir, cache, hosts=local_hosts(2), program=failing)
    said = [process.communicate(timeout=ENOUGH)[0] for process in processes]
    assert all(process.returncode != 0 for process in processes)
    assert f"checkpoints/{last}: another process cannot read it" in said[0]
    assert f"checkpoints/{last} cannot be read now (Stale file handle)" in said[1]
    assert steps(workdir) == [before, last]
    (workdir / "checkpoints" / str(last) / "sums.json").write_text("{")
    said = finish(start(workdir, cache, hosts=local_hosts(2)))
    assert f"steps {before} to 22" in said[0]
    assert (workdir / "checkpoints" / f"{last}.damaged").is_dir()
    assert_same(workdir, alone)


def test_four_processes_one_of_them_killed_go_on(alone, cache, tmp_path):
    workdir, changes = tmp_path / "run", {"parallel.model_axis": 2}
    settings = {"changes": changes, "seconds_a_step": 0.3}
    processes = start(workdir, cache, hosts=local_hosts(4), **settings)
    wait_for_checkpoint(workdir, processes)
    processes[2].kill()
    for process in processes:  # nobody waits for it forever
        process.communicate(timeout=ENOUGH)
        assert process.returncode != 0
    assert not (workdir / "results.json").exists()
    finish(start(workdir, cache, hosts=local_hosts(4), changes=changes))
    assert_same(workdir, alone)


def test_a_run_goes_on_on_other_devices(alone, cache, tmp_path):
    """Begun with four people on three devices; asked to end; ended on two, by pmap."""
    workdir, changes = tmp_path / "run", {"parallel.model_axis": 3}
    (process,) = start(workdir, cache, changes=changes, devices=3, seconds_a_step=0.3)
    wait_for_checkpoint(workdir, [process])
    process.terminate()
    (said,) = finish([process])
    assert "stopped by SIGTERM" in said
    finish(start(workdir, cache, devices=2, changes={"parallel.mode": "pmap"}))
    assert_same(workdir, alone)


def test_a_disk_that_is_full_is_an_error_and_costs_nothing(alone, cache, tmp_path):
    """Files that may not grow stand for it."""
    workdir = tmp_path / "run"
    (process,) = start(workdir, cache, seconds_a_step=0.3)
    wait_for_checkpoint(workdir, [process])
    process.kill()
    process.communicate()
    (process,) = start(workdir, cache, blocks_a_file=32)
    said, _ = process.communicate(timeout=ENOUGH)
    assert process.returncode != 0
    assert "the last checkpoint could not be written (File too large); those" in said
    (said,) = finish(start(workdir, cache))
    assert "steps 5 to 22" in said
    assert_same(workdir, alone)


def test_which_host_this_is_has_to_be_known():
    with pytest.raises(UsageError, match="is 0 times in the list"):
        join_hosts(["no-such-machine", "nor-such-a-one"], None)
    here = socket.gethostname()
    with pytest.raises(UsageError, match="is 2 times in the list"):
        join_hosts([here, here], None)
    for port in ("xx", "99999999", "0", "-1"):
        with pytest.raises(UsageError, match="a port is a number from 1 to 65535"):
            join_hosts([f"localhost:{port}", "localhost"], 0)
    with pytest.raises(UsageError, match="--process_id is 2: with 2 hosts"):
        join_hosts([here, here], 2)


def test_no_cluster_is_one_line(monkeypatch):
    with pytest.raises(UsageError, match="--cluster: JAX finds no cluster"):
        join_cluster()
