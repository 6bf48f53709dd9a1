"""Checkpoints: of other spare columns; damaged ones, and ones in trouble."""

import gc
import os
from pathlib import Path

import jax
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

from cl_facenet import checkpoint
from cl_facenet.center_rules import RULES
from cl_facenet.checkpoint import Checkpoints, is_saved, read_data, restore_parts
from cl_facenet.errors import InputError
from cl_facenet.models.facenet import create_model
from cl_facenet.state import create_state

PAPER = RULES["paper"]

# Orbax leaves the reading of the other arrays unawaited when that of one fails.
orbax_gives_up = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore:coroutine .* was never awaited:RuntimeWarning",
)


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


def save_two(directory):
    """Steps 1 and 2, of different states."""
    checkpoints = Checkpoints(directory)
    for step in (1, 2):
        checkpoints.save(step, state_of(seed=step), {"step": step})
    checkpoints.close()


def restored(directory):
    """What a training would go on from."""
    checkpoints = Checkpoints(directory)
    try:
        return checkpoints.restore(like=state_of())
    finally:
        checkpoints.close()


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def assert_is_step(step, state):
    jax.tree.map(np.testing.assert_array_equal, state, state_of(seed=step))


STALE = OSError(116, "Stale file handle")
TROUBLE = [
    STALE,
    OSError(5, "Input/output error", "state/d/8d99"),
    PermissionError(13, "Permission denied"),
    TimeoutError(110, "Connection timed out"),
    OSError(24, "Too many open files"),
    MemoryError(),
    jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes"),
    ValueError("UNKNOWN: Failed to open: Stale file handle [os_error_code='116']"),
    ValueError("UNAVAILABLE: Error reading local file"),
    RuntimeError("of which nothing is known"),
]


@pytest.mark.parametrize("sums", ["with sums", "without sums"])
@pytest.mark.parametrize("error", TROUBLE, ids=lambda error: repr(error)[:40])
def test_trouble_in_reading_is_an_error_and_costs_nothing(
    tiny, tmp_path, monkeypatch, capsys, error, sums
):
    """It may go away: the newest checkpoint is neither passed over nor removed."""
    save_two(tmp_path)
    if sums == "without sums":
        (tmp_path / "2/sums.json").unlink()
    before = names(tmp_path)
    restore = ocp.CheckpointManager.restore

    def fail(manager, step, *args, **kwargs):
        if step == 2:
            raise error
        return restore(manager, step, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(ocp.CheckpointManager, "restore", fail)
        for read in (restored, read_data):
            with pytest.raises(InputError, match=r"/2.* cannot be read now .*again|on"):
                read(tmp_path)
    assert names(tmp_path) == before
    assert "damaged" not in capsys.readouterr().err
    assert_is_step(2, restored(tmp_path)[0])


def test_a_file_that_cannot_be_read_is_trouble_and_is_named(
    tiny, tmp_path, monkeypatch
):
    """In reading it for its sum, before Orbax does."""
    save_two(tmp_path)

    def fail(path, *args, **kwargs):
        if path.parts[-3:-1] == ("2", "data"):
            raise OSError(116, "Stale file handle", str(path))
        return open(path, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", fail)
        with pytest.raises(InputError, match=r"/2/data/.* now \(Stale file handle\)"):
            restored(tmp_path)
    assert {"1", "2"} <= set(names(tmp_path))


def test_a_step_that_cannot_be_looked_at_is_trouble(tiny, tmp_path, monkeypatch):
    """Orbax would take it for one that is not there."""
    save_two(tmp_path)
    stat = os.stat

    def fail(path, *args, **kwargs):
        if os.fspath(path) == os.fspath(tmp_path / "2"):
            raise OSError(116, "Stale file handle", os.fspath(path))
        return stat(path, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", fail)
        for read in (read_data, is_saved):
            with pytest.raises(InputError, match=r"/2 cannot be read now \(Stale f"):
                read(tmp_path)
    assert is_saved(tmp_path)


def test_a_step_that_is_there_is_not_saved_over(tiny, tmp_path):
    """One that the manager has not seen, for whatever reason."""
    checkpoints = Checkpoints(tmp_path)
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "mine").touch()
    checkpoints.save(2, state_of(seed=2), {})
    checkpoints.close()
    assert names(tmp_path) == ["2", "2.damaged"]
    assert (tmp_path / "2.damaged" / "mine").exists()
    assert_is_step(2, restored(tmp_path)[0])


def cut(content):
    return content[: len(content) // 2]


def flipped(content):
    """One bit is another, in the middle."""
    changed = bytearray(content)
    changed[len(content) // 2] ^= 1
    return bytes(changed)


def garbled(content):
    return bytes(byte ^ 0x55 for byte in content)


@pytest.mark.parametrize("change", [cut, flipped, garbled, None])
@pytest.mark.parametrize("which", ["data/metadata", "state/_METADATA", "largest"])
def test_damage_is_passed_over_and_kept(tiny, tmp_path, capsys, which, change):
    """Its step is saved again beside it."""
    save_two(tmp_path)
    newest = tmp_path / "2"
    files = [path for path in newest.rglob("*") if path.is_file()]
    path = max(files, key=lambda path: path.stat().st_size)
    path = newest / which if which != "largest" else path
    if change:
        path.write_bytes(change(path.read_bytes()))
    else:
        path.unlink()
    content = path.read_bytes() if change else None

    assert read_data(tmp_path)["step"] == (1 if which == "data/metadata" else 2)
    like = {"params": state_of().params}
    assert restore_parts(tmp_path, like)[1] == 1
    assert names(tmp_path) == ["1", "2"]  # who only reads moves nothing

    checkpoints = Checkpoints(tmp_path)
    state, data = checkpoints.restore(like=state_of())
    assert_is_step(1, state)
    assert data["step"] == 1
    says = capsys.readouterr().err
    assert f"{newest} is damaged: " in says
    assert "kept as 2.damaged" in says
    moved = tmp_path / "2.damaged" / path.relative_to(newest)
    assert (moved.read_bytes() if change else None) == content
    checkpoints.save(2, state_of(seed=2), {})
    checkpoints.close()
    assert_is_step(2, restored(tmp_path)[0])
    assert names(tmp_path) == ["1", "2", "2.damaged"]


@orbax_gives_up
@pytest.mark.parametrize("change", [cut, garbled, None])
@pytest.mark.parametrize("which", ["data/metadata", "state/_METADATA", "largest"])
def test_damage_of_a_checkpoint_from_before_there_were_sums(
    tiny, tmp_path, capsys, which, change
):
    save_two(tmp_path)
    (tmp_path / "2/sums.json").unlink()
    files = [path for path in (tmp_path / "2").rglob("*") if path.is_file()]
    path = max(files, key=lambda path: path.stat().st_size)
    path = tmp_path / "2" / which if which != "largest" else path
    if change:
        path.write_bytes(change(path.read_bytes()))
    else:
        path.unlink()
    assert_is_step(1, restored(tmp_path)[0])
    assert "/2 is damaged: " in capsys.readouterr().err
    gc.collect()


def test_damage_of_a_step_twice_is_kept_twice(tiny, tmp_path):
    save_two(tmp_path)
    (tmp_path / "2.damaged").mkdir()
    (tmp_path / "2/sums.json").write_text("{")
    restored(tmp_path)
    assert names(tmp_path) == ["1", "2.damaged", "2.damaged-2"]


def test_a_step_that_a_training_replaces_meanwhile_is_not_damage(
    tiny, tmp_path, monkeypatch, capsys
):
    """Who evaluates it reads the newer one."""
    save_two(tmp_path)
    check = checkpoint.check_sums

    def remove(step, items):
        if step.name == "2":
            step.rename(tmp_path / "3")
        return check(step, items)

    monkeypatch.setattr(checkpoint, "check_sums", remove)
    assert restore_parts(tmp_path, {"params": state_of().params})[1] == 3
    assert capsys.readouterr().err == ""


@orbax_gives_up
def test_a_first_checkpoint_that_cannot_be_read_ends_the_training(
    tiny, tmp_path, monkeypatch
):
    """At once: as if no plain path were taken for one that Orbax cannot read."""
    monkeypatch.setattr(checkpoint, "plain_path", Path.absolute)
    checkpoints = Checkpoints(tmp_path / "faces [2024]")
    with pytest.raises(InputError, match=r"faces \[2024\]/5, just saved, cannot be re"):
        checkpoints.save(5, state_of(), {})
    checkpoints.close()
    gc.collect()
