"""Settings and fixtures of all tests."""

import os
import tempfile

# Read by JAX at its import, by the workers of pytest-xdist, and by the processes that
# tests start. What one of them has compiled, the next need not.
if "PYTEST_XDIST_WORKER" not in os.environ:
    _COMPILED = tempfile.TemporaryDirectory()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _COMPILED.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    # Compiling is most of the time. `XLA_FLAGS= pytest` has it done as users do.
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import pytest
from hypothesis import settings
from lfw_like import expect_it, write_lfw
from tiny import TINY

from cl_facenet.models import facenet

settings.register_profile(
    "repeatable", derandomize=True, deadline=None, max_examples=20
)
settings.load_profile("repeatable")


@pytest.fixture
def tiny(monkeypatch):
    """Makes model.name=tiny a network."""
    monkeypatch.setitem(facenet.NETWORKS, "tiny", TINY)


@pytest.fixture
def lfw_like(monkeypatch, tmp_path):
    """A folder of a made-up LFW, which takes the place of the real one."""
    expect_it(monkeypatch)
    return write_lfw(tmp_path / "lfw-like")


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """A browser without a window."""
    import browser

    if not (browser.CHROMIUM and browser.DRIVER):
        pytest.skip("Chromium or its driver is not installed")
    driver = browser.start(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


def pytest_collection_modifyitems(items):
    """What mostly waits comes first: the other worker computes meanwhile."""
    items.sort(key=lambda item: "test_processes" not in item.nodeid)
