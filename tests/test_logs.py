"""What libraries log reaches the user, but what they also raise."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cl_facenet.logs import without_what_is_raised

ROOT = Path(__file__).parent.parent
CONFIG = """
import logging as python
from absl import logging
from cl_facenet.config import base

def get_config():
    python.getLogger("jax._src.anything").warning("a warning of JAX")
    logging.warning("a warning of Orbax and Grain")
    logging.error("an error of Orbax and Grain")
    return base("synthetic")
"""


def test_warnings_of_jax_orbax_and_grain_reach_the_user(tmp_path):
    (tmp_path / "mine.py").write_text(CONFIG)
    arguments = ["--config=mine.py", "--mode=summary", "--config.data.num_classes=9"]
    process = subprocess.run(
        [sys.executable, "-m", "cl_facenet.main", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.returncode == 0, process.stderr
    for says in ("a warning of JAX", "a warning of Orbax", "an error of Orbax"):
        assert process.stderr.count(says) == 1
    assert process.stderr.count("\n") == 3


@pytest.fixture
def absl_log():
    logger = logging.getLogger("absl")
    filters = list(logger.filters)
    without_what_is_raised()
    without_what_is_raised()
    assert len(logger.filters) == len(filters) + 1
    yield logger
    logger.filters = filters


def record(path, error):
    where = {"pathname": path, "filename": path.rpartition("/")[2]}
    exc_info = error and (type(error), error, None)
    return logging.makeLogRecord(where | {"msg": "a save", "exc_info": exc_info})


@pytest.mark.parametrize(
    ("path", "error", "is_shown"),
    [
        ("orbax/checkpointers/async_checkpointer.py", OSError("full"), False),
        ("orbax/futures/future.py", OSError("full"), False),
        ("orbax/futures/future.py", None, True),
        ("orbax/path/storage_backend.py", OSError("gone"), True),
        ("elsewhere/future.py", OSError("full"), True),
    ],
)
def test_only_the_error_of_a_save_is_left_out(absl_log, path, error, is_shown):
    assert bool(absl_log.filter(record(path, error))) == is_shown
