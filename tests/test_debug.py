"""--debug shows where an error was raised; the line and the status stay."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "configs/nn4.py"


@pytest.mark.parametrize(
    ("program", "arguments", "status", "raised"),
    [
        ("main", [f"--config={CONFIG}:nowhere"], 1, "InputError: nowhere"),
        ("main", ["--config=nowhere.py"], 2, "UsageError: "),
        (
            "prepare",
            ["folder", "--source=nowhere", "--out=prepared"],
            1,
            "InputError: nowhere",
        ),
        ("cli", ["compare", "nowhere", "nowhere"], 1, "InputError: nowhere"),
        ("cli", ["embed", ".", "--out=vectors.txt"], 2, "UsageError: --out=vectors"),
    ],
)
def test_each_program_has_it(program, arguments, status, raised, tmp_path):
    def run(*more):
        return subprocess.run(
            [sys.executable, "-m", f"cl_facenet.{program}", *arguments, *more],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
        )

    plain, debugged = run(), run("--debug")
    assert plain.returncode == debugged.returncode == status
    assert plain.stderr.count("\n") == 1
    assert "Traceback (most recent call last)" in debugged.stderr
    assert raised in debugged.stderr
    assert debugged.stderr.endswith(f"\n{plain.stderr}")
