"""A step that one process has traced is another's, as long as nothing is different."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cl_facenet import kept_traces
from cl_facenet.kept_traces import kept


class Carry(NamedTuple):
    weights: dict[str, Any]
    count: Any


CARRY = Carry({"a": np.arange(3.0, dtype=np.float32)}, np.int32(4))
X = {"x": np.float32([1, 2, 3])}


def step(carry, x):
    a = carry.weights["a"] + x["x"]
    return Carry({"a": a}, carry.count + 1), {"sum": a.sum()}


def never(carry, x):
    raise AssertionError("it was traced")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where programs are kept."""
    monkeypatch.setattr(kept_traces, "kept_programs", lambda: tmp_path / "programs")
    return tmp_path / "programs"


def keep(function=step, carry=CARRY, x=X, decided_by="this"):
    return kept(function, carry, x, decided_by=decided_by)


def check(function):
    carry, seen = jax.jit(function)(CARRY, X)
    assert isinstance(carry, Carry)
    np.testing.assert_array_equal(carry.weights["a"], [1, 3, 5])
    assert (carry.count, seen["sum"]) == (5, 9)


def test_it_is_traced_once(folder):
    check(keep())
    check(keep(never))
    assert len(list(folder.iterdir())) == 1


def wider(tree):
    return jax.tree.map(lambda x: np.concatenate([x, x]) if x.ndim else x, tree)


@pytest.mark.parametrize(
    "change", [{"decided_by": "that"}, {"carry": wider(CARRY), "x": wider(X)}]
)
def test_not_for_other_arguments(folder, change):
    keep()
    with pytest.raises(AssertionError, match="it was traced"):
        keep(never, **change)


def test_not_for_other_settings_of_jax(folder):
    keep()
    with (
        jax.default_matmul_precision("float32"),
        pytest.raises(AssertionError, match="it was traced"),
    ):
        keep(never)


def test_not_for_other_versions(folder, monkeypatch):
    keep()
    monkeypatch.setattr(kept_traces, "version", lambda name: "0.0.1")
    with pytest.raises(AssertionError, match="it was traced"):
        keep(never)


def test_not_for_another_source(folder, tmp_path, monkeypatch):
    package = tmp_path / "package"
    package.mkdir()
    monkeypatch.setattr(kept_traces, "__file__", str(package / "kept_traces.py"))
    names = [kept_traces._name("this")]
    for name, text in (("a.py", "1"), ("a.py", "2"), ("b.py", "2"), ("c.txt", "no")):
        (package / name).write_text(text)
        names.append(kept_traces._name("this"))
    assert len(set(names[:4])) == 4
    assert names[4] == names[3]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[:10],
        lambda content: b"",
        lambda content: content[:99] + bytes([content[99] ^ 1]) + content[100:],
    ],
)
def test_what_is_damaged_is_traced_again(folder, damage):
    keep()
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    check(keep())
    assert len(file.read_bytes()) == len(whole)
    check(keep(never))


def test_where_nothing_can_be_written_it_is_traced(folder):
    folder.write_text("a file")
    check(keep())
    check(keep())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("jax_compilation_cache_dir", None),
        ("jax_compilation_cache_dir", "gs://bucket/programs"),
        ("jax_enable_compilation_cache", False),
    ],
)
def test_without_a_cache_on_this_disk_it_is_as_it_was(setting, value):
    before = getattr(jax.config, setting)
    try:
        jax.config.update(setting, value)
        assert keep() is step
    finally:
        jax.config.update(setting, before)


def test_gradients_and_conditions_of_a_platform_are_kept(folder):
    def trains(carry, x):
        def loss(a):
            y = jax.lax.platform_dependent(a, cpu=jnp.tanh, default=jnp.sin)
            return jnp.vdot(y, x["x"])

        value, slope = jax.value_and_grad(loss)(carry.weights["a"])
        return Carry({"a": slope}, carry.count), {"value": value}

    expected = jax.jit(trains)(CARRY, X)
    keep(trains)
    for ours, its in zip(
        jax.tree.leaves(jax.jit(keep(never))(CARRY, X)),
        jax.tree.leaves(expected),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, its)
