"""What JAX objects to when it starts is the user's environment: one line, status 2."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from cl_facenet import cli

ROOT = Path(__file__).parent.parent
MAIN = [sys.executable, "-m", "cl_facenet.main", f"--config={ROOT / 'configs/nn4.py'}"]
COMMAND = [sys.executable, "-m", "cl_facenet.cli"]
NEEDS = "needs_jax"
UNKNOWN = "JAX_PLATFORMS={}: JAX finds no such device on this machine ("


def run(arguments, folder, **environment):
    return subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=300,
        env=os.environ | {"XDG_CACHE_HOME": str(folder / "cache")} | environment,
    )


def assert_one_line(process, program, says):
    assert process.returncode == 2, process.stderr
    assert process.stderr.count("\n") == 1, process.stderr
    assert process.stderr.startswith(f"{program}: {says}")
    assert process.stdout == ""


@pytest.mark.parametrize("mode", ["train", "summary"])
@pytest.mark.parametrize("platforms", ["cuda", "gpuu"])
def test_main_on_devices_that_are_not_there(mode, platforms, tmp_path):
    process = run([*MAIN, f"--mode={mode}"], tmp_path, JAX_PLATFORMS=platforms)
    assert_one_line(process, "cl_facenet", UNKNOWN.format(platforms))
    assert "set it to cpu" in process.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare", "a.png", "a.png"],
        ["identify", "a.png", "--gallery=."],
        ["cluster", "."],
        ["embed", ".", "--out=vectors.npz"],
        ["evaluate", "nn4_small2_lfw", "--protocol=lfw_view1"],
    ],
)
def test_commands_on_devices_that_are_not_there(arguments, tmp_path):
    Image.new("RGB", (96, 96)).save(tmp_path / "a.png")
    process = run([*COMMAND, *arguments], tmp_path, JAX_PLATFORMS="tpu")
    assert_one_line(process, "cl-facenet", UNKNOWN.format("tpu"))


def test_all_commands_but_aligning_need_jax():
    (group,) = (a for a in cli._parser()._actions if a.choices)
    needing = {name for name, own in group.choices.items() if own.get_default(NEEDS)}
    assert needing == set(group.choices) - {"align"}


@pytest.mark.parametrize(
    "call",
    [
        "cl_facenet.load('nn4_small2_lfw')",
        "train(base(), Path('run'))",
        "evaluate(base(), Path('run'))",
    ],
)
def test_in_python_it_is_an_error_of_ours(call, tmp_path):
    code = f"""
from pathlib import Path
import cl_facenet
from cl_facenet.config import base
from cl_facenet.errors import UsageError
from cl_facenet.evaluate import evaluate
from cl_facenet.train import train
try:
    {call}
except UsageError as error:
    print(error)
"""
    process = run([sys.executable, "-c", code], tmp_path, JAX_PLATFORMS="tpu")
    assert process.stdout.startswith(UNKNOWN.format("tpu")), process.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [("JAX_DEFAULT_DEVICE", "gpu"), ("JAX_PLATFORM_NAME", "gpu")],
)
def test_a_default_device_that_is_not_there_is_named(variable, value, tmp_path):
    process = run(
        [*COMMAND, "compare", "a.png", "b.png"], tmp_path, **{variable: value}
    )
    assert process.returncode == 2
    assert process.stderr.count("\n") == 1
    assert variable in process.stderr or "gpu" in process.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [("JAX_ENABLE_X64", "maybe"), ("JAX_DEFAULT_MATMUL_PRECISION", "finest")],
)
def test_a_setting_that_jax_does_not_know_is_named(variable, value, tmp_path):
    for program, arguments in (
        ("cl_facenet", MAIN),
        ("cl-facenet", [*COMMAND, "compare", "a.png", "b.png"]),
    ):
        process = run(arguments, tmp_path, **{variable: value})
        assert_one_line(process, program, "JAX cannot be imported (")
        assert f"look at {variable}, " in process.stderr.replace(
            "JAX_COMPILATION_CACHE_DIR, ", ""
        )
        assert value in process.stderr


def test_a_training_in_64_bits_is_refused(tmp_path):
    """It would be another one; an embedder's vectors are as they are."""
    process = run(MAIN, tmp_path, JAX_ENABLE_X64="1")
    assert_one_line(process, "cl_facenet", "JAX_ENABLE_X64: a training is in 32 bits")
    assert not list(tmp_path.iterdir())


def test_a_jaxlib_of_another_version_is_one_line(tmp_path):
    (tmp_path / "jax").mkdir()
    says = "jaxlib version 0.1 is newer than and\\nincompatible with jax version 0.0"
    (tmp_path / "jax/__init__.py").write_text(f"raise RuntimeError('{says}')")
    arguments = [*COMMAND, "compare", "a.png", "b.png"]
    process = run(arguments, tmp_path, PYTHONPATH=str(tmp_path))
    says = "JAX cannot be imported (jaxlib version 0.1 is newer than and incompatible"
    assert_one_line(process, "cl-facenet", says)


def test_a_flag_that_xla_does_not_know_is_named(tmp_path):
    """XLA ends the process itself, in one line."""
    arguments = [*COMMAND, "compare", "a.png", "b.png"]
    process = run(arguments, tmp_path, XLA_FLAGS="--xla_no_such_flag=1")
    assert process.returncode != 0
    assert process.stderr.count("\n") == 1
    assert "XLA_FLAGS: --xla_no_such_flag=1" in process.stderr
