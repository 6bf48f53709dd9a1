"""The command line: what it prints, and with which status it ends."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from faces import folder_of_faces

from cl_facenet.main import _show

ROOT = Path(__file__).parent.parent


def main(*arguments, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-m", "cl_facenet.main", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=300,
        env=os.environ | {"COLUMNS": "200"},
    )


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ([], 2, "name a config: --config=configs/nn4.py"),
        (
            ["--config=configs/nn4.py", "--config.fo=1"],
            2,
            "--config.fo=1: no such config key",
        ),
        (
            ["--config=configs/nn4.py", "--config.center.alhpa=1"],
            2,
            "--config.center.alhpa=1: no such config key; did you mean alpha?",
        ),
        (
            ["--config=configs/nn4.py", "--config.batch_size=x"],
            2,
            "--config.batch_size=x",
        ),
        (
            ["--config=configs/nn4.py", "--config.center.alpha=2"],
            2,
            "center.alpha is 2",
        ),
        (
            ["--config=configs/none.py"],
            2,
            "No such file or directory: 'configs/none.py'",
        ),
        (["--config=configs/nn4.py", "--mode=play"], 2, "--mode=play"),
        (
            ["--config=configs/nn4.py", "--speed=9"],
            2,
            "Unknown command line flag 'speed'",
        ),
        (["--config=configs/nn4.py:no/such/folder"], 1, "no/such/folder"),
    ],
)
def test_a_bad_command_is_one_line_and_a_status(arguments, status, says, tmp_path):
    process = main(*arguments, f"--workdir={tmp_path / 'run'}")
    assert process.returncode == status
    assert process.stderr.count("\n") == 1
    assert process.stderr.startswith("cl_facenet: ")
    assert says in process.stderr


def test_bad_folders_are_one_line_each(tmp_path):
    (tmp_path / "empty").mkdir()
    faces = folder_of_faces(tmp_path / "faces")
    bad = faces / "person 1" / "1.jpg"
    bad.write_bytes(bad.read_bytes()[:-200])
    for folder, says in (("empty", "empty"), ("faces", "person 1/1.jpg")):
        process = main(
            f"--config={ROOT / 'configs/nn4.py'}:{folder}",
            f"--config.data.cache_dir={tmp_path / 'cache'}",
            cwd=tmp_path,
        )
        assert process.returncode == 1
        assert process.stderr.count("\n") == 1, process.stderr
        assert re.search(f"cl_facenet: .*{re.escape(says)}", process.stderr)
        assert not list((tmp_path / "cache").rglob("*.array_record*"))
        assert not (tmp_path / "runs").exists()


def test_the_real_network_on_a_folder_of_photos(tmp_path):
    """The plain command, shortened; then the embedder, evaluation, and the end."""
    folder_of_faces(tmp_path / "my faces [2024]", people=6, photos=5)
    arguments = (
        f"--config={ROOT / 'configs/nn4.py'}:my faces [2024]",
        "--config.num_epochs=1",
        "--config.batch_size=8",
        "--config.optimizer.warmup_epochs=0.0",
        f"--config.data.cache_dir={tmp_path / 'cache'}",
    )
    trained = main(*arguments, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert "photos/s" in trained.stderr
    assert "area under the ROC" in trained.stdout
    workdir = tmp_path / "runs" / "nn4-my faces [2024]"
    results = json.loads((workdir / "results.json").read_text())
    assert results["verification"]["num_pairs"] == 45  # of 2 people's 10 photos

    finished = main(*arguments, cwd=tmp_path)
    assert finished.returncode == 0
    assert "runs/nn4-my faces [2024] is finished" in finished.stderr
    other = main(*arguments, "--config.center.weight=0.0", cwd=tmp_path)
    assert other.returncode == 2
    assert "center.weight (1.0 there, 0.0 here)" in other.stderr

    (workdir / "results.json").unlink()
    run = f"--workdir={workdir}"
    evaluated = main("--mode=evaluate", run, cwd=tmp_path)
    assert evaluated.returncode == 0, evaluated.stderr
    assert json.loads((workdir / "results.json").read_text()) == results
    again = main(run, cwd=tmp_path)
    assert "is finished: nothing to train" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--mode=evaluate"], 1, "is not the directory of a run: no config.json in it"),
        (["--config.seed=1"], 2, "--config.seed=1: give --config=FILE, too"),
    ],
)
def test_a_workdir_alone_has_to_be_a_run(arguments, status, says, tmp_path):
    process = main(*arguments, f"--workdir={tmp_path}")
    assert process.returncode == status
    assert process.stderr.count("\n") == 1, process.stderr
    assert says in process.stderr


@pytest.mark.parametrize(
    ("data", "name"), [("", "nn4-orl"), (":synthetic", "nn4-synthetic")]
)
def test_summary_and_the_default_workdir(data, name, tmp_path):
    """Without photos at hand, where the number of people is stated."""
    process = main(
        f"--config={ROOT / 'configs/nn4.py'}{data}",
        "--mode=summary",
        "--config.data.num_classes=5749",
        cwd=tmp_path,
    )
    assert process.returncode == 0, process.stderr
    assert "5,220,773" in process.stdout
    assert not list(tmp_path.iterdir())
    unevaluated = main(
        f"--config={ROOT / 'configs/nn4.py'}{data}", "--mode=evaluate", cwd=tmp_path
    )
    assert unevaluated.returncode == 1
    assert f"runs/{name} is not the directory of a run" in unevaluated.stderr


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import nothing_like_it", "No module named 'nothing_like_it'"),
        ("def get_config(:", "invalid syntax"),
        (
            "from cl_facenet.config import base\n"
            "def get_config():\n    c = base()\n    c.center.wieght = 1\n    return c",
            "wieght",
        ),
    ],
)
def test_a_broken_config_file_is_one_line(code, says, tmp_path):
    (tmp_path / "mine.py").write_text(code)
    process = main(f"--config={tmp_path / 'mine.py'}")
    assert process.returncode == 2
    assert process.stderr.count("\n") == 1, process.stderr
    assert says in process.stderr


def test_a_workdir_that_cannot_be_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    process = main(
        "--config=configs/nn4.py:synthetic",
        f"--workdir={tmp_path / 'file' / 'run'}",
        f"--config.data.cache_dir={tmp_path / 'cache'}",
    )
    assert process.returncode == 1
    assert process.stderr.count("\n") == 1, process.stderr
    assert "is not a directory: choose another --workdir" in process.stderr


def test_photos_without_a_face_are_told_at_the_end(tmp_path, capsys):
    nothing = dict.fromkeys(("classification", "verification", "identification"))
    results = nothing | {"step": 7, "data": {"num_faceless_photos": 3}}
    _show(results, tmp_path)
    assert "no face found in 3 photos, which are cut at" in capsys.readouterr().out
