"""What a training takes of a device is known, and refused, before it is taken."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import optax
import pytest
from tiny import tiny_config

from cl_facenet import memory
from cl_facenet.build import build_model, build_optimizer, build_start
from cl_facenet.center_rules import RULES
from cl_facenet.errors import InputError
from cl_facenet.memory import check_room, device_bytes, state_bytes
from cl_facenet.models.facenet import create_model
from cl_facenet.state import create_state

MIB = 2**20


def test_a_state_is_counted_by_what_it_is(tiny):
    model = create_model("tiny", "openface", 8, 16.0, 1000)
    tx = optax.adam(1e-3)
    state = jax.eval_shape(lambda: create_state(model, tx, RULES["paper"], 32, 0))
    sizes = state_bytes(state)
    params = sum(x.size for x in jax.tree.leaves(state.params))
    assert sizes["parameters"] == 4 * params
    assert sizes["optimizer"] == 4 * (2 * params + 1)  # two moments and a count
    assert sizes["centers"] == 4 * 1000 * 8
    assert sizes["batch statistics"] == 4 * 2 * (16 + 32)


def device_of(platform, **stats):
    return SimpleNamespace(platform=platform, memory_stats=lambda: stats)


def test_enough_is_a_line():
    says = check_room(
        {"parameters": 3 * MIB, "centers": MIB // 2},
        device_of("gpu", bytes_limit=2**30),
    )
    assert says == (
        "memory a device: 3.5 MiB (parameters 3.0 MiB, centers 512 KiB) of 1.0 GiB"
    )


def test_too_much_is_refused_with_what_helps():
    device = device_of("gpu", bytes_limit=3 * MIB)
    with pytest.raises(
        InputError, match=r"3.5 MiB .* of 3.0 MiB: not enough; lower bat"
    ):
        check_room({"parameters": 3 * MIB, "centers": MIB // 2}, device)


def test_a_device_that_does_not_tell_is_trusted():
    assert check_room({"centers": MIB}, device_of("tpu")) == (
        "memory a device: 1.0 MiB (centers 1.0 MiB)"
    )


def test_a_cpu_has_the_machine_s_or_the_container_s(monkeypatch):
    assert 2**28 < device_bytes(jax.devices()[0]) < 2**50
    monkeypatch.setattr(memory.Path, "read_text", lambda path: "1048576\n")
    assert device_bytes(jax.devices()[0]) == MIB
    monkeypatch.setattr(memory.Path, "read_text", lambda path: "max\n")
    assert device_bytes(jax.devices()[0]) > 2**28


@pytest.mark.parametrize("available", [2**14, 2**17])
def test_a_training_is_refused_before_it_begins(tiny, monkeypatch, available):
    """By its state alone; or by what its step takes beside it."""
    monkeypatch.setattr(memory, "device_bytes", lambda device: available)
    config = tiny_config("unused")
    model = build_model(config, 4)
    tx, _ = build_optimizer(config, num_photos=10, num_steps=5)
    with pytest.raises(InputError, match="not enough") as refused:
        build_start(config, model, tx)
    assert ("maps and gradients" in str(refused.value)) == (available == 2**17)


def test_what_a_step_takes_is_told(tiny):
    config = tiny_config("unused", batch_size=64)
    model = build_model(config, 4)
    tx, _ = build_optimizer(config, num_photos=100, num_steps=5)
    start = build_start(config, model, tx)
    assert start.memory.startswith("memory a device: ")
    assert "logits 1 KiB, maps and gradients" in start.memory
    assert start.state.step.dtype == jnp.int32
