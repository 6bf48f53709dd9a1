"""Settings and fixtures of all tests."""

import os

# Read by JAX at its import, and by the processes that tests start.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import pytest
from hypothesis import settings
from tiny import TinyTrunk

from cl_facenet.models import facenet

settings.register_profile(
    "repeatable", derandomize=True, deadline=None, max_examples=20
)
settings.load_profile("repeatable")


@pytest.fixture
def tiny(monkeypatch):
    """Makes model.name=tiny a network."""
    monkeypatch.setitem(facenet.TRUNKS, "tiny", TinyTrunk())
