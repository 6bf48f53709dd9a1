"""Settings and fixtures of all tests."""

import os

# Read by JAX at its import, and by the processes that tests start.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn
from hypothesis import settings

from cl_facenet.models import facenet
from cl_facenet.models.layers import ConvBN

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=20)
settings.load_profile("repeatable")


class TinyTrunk(nn.Module):
    """A trunk for tests of what is around it: compiles in a second."""

    @nn.compact
    def __call__(self, images: jax.Array, mask: jax.Array, *, train: bool) -> jax.Array:
        x = ConvBN(16, 7, 6, 3, name="conv1")(images, mask, train=train)
        x = ConvBN(32, 3, 4, 1, name="conv2")(x, mask, train=train)
        return jnp.reshape(x, (x.shape[0], -1))


@pytest.fixture
def tiny(monkeypatch):
    """Makes model.name=tiny a network."""
    monkeypatch.setitem(facenet.TRUNKS, "tiny", TinyTrunk())
