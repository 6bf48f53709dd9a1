"""Wherever a path may be given, a URL is refused by name, with status 2, at once.

The commands' arguments and the config's keys are walked: a new one cannot slip by.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict
from tiny import tiny_config, use_data

import cl_facenet
from cl_facenet import cli, prepare
from cl_facenet.config import base
from cl_facenet.data.photos import open_photo
from cl_facenet.errors import UsageError
from cl_facenet.evaluate import evaluate
from cl_facenet.evaluation.published import read_curves
from cl_facenet.export.onnx import save_onnx
from cl_facenet.export.stablehlo import save_stablehlo
from cl_facenet.train import train
from cl_facenet.user_cache import default_cache_dir

ROOT = Path(__file__).parent.parent
URL = "gs://bucket/it"
REFUSED = "gs://bucket/it: gs:// paths are not supported; give a path on this machine"

# Of the arguments whose values are text, those that are no paths.
NO_PATHS = {("evaluate", "--protocol")}
KEYS = ("data.path", "data.cache_dir", "init_from", "report.published_roc")
OTHER_KEYS = {
    *("data.name", "data.align", "data.lfw.protocol"),
    *("model.name", "model.graph", "model.dtype", "loss.name"),
    *("center.rule", "center.on", "optimizer.name", "optimizer.schedule"),
    *("parallel.mode", "brings"),
}


def commands(parser):
    (group,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return group.choices.items()


def paths_of(parser):
    """(command, the argument, arguments of which it is a URL), all that are needed."""
    for command, own in commands(parser):
        actions = [
            action
            for action in own._actions
            if action.nargs not in (0, "?") and not action.choices
        ]
        for wrong in actions:
            name = (wrong.option_strings or [wrong.dest])[-1]
            if wrong.type in (int, float) or (command, name) in NO_PATHS:
                continue
            line = [command]
            for action in actions:
                value = URL if action is wrong else "here"
                if action.option_strings and (action.required or action is wrong):
                    line.append(f"{action.option_strings[-1]}={value}")
                elif not action.option_strings:
                    line += [value] * (action.nargs if type(action.nargs) is int else 1)
            yield pytest.param(line, id=f"{command} {name}")


def refused(program, line, capsys, folder):
    """With status 2 and in one line, and nothing is made in the folder."""
    with pytest.raises(SystemExit, match="2"):
        program(line)
    said = capsys.readouterr().err
    assert REFUSED in said
    assert said.count("\n") == 1
    assert not list(folder.iterdir())


@pytest.mark.parametrize("line", list(paths_of(cli._parser())))
def test_arguments_of_the_commands(line, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    refused(cli.main, line, capsys, tmp_path)


@pytest.mark.parametrize("line", list(paths_of(prepare._parser())))
def test_arguments_of_prepare(line, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    refused(prepare.main, line, capsys, tmp_path)


def test_a_file_of_pairs(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["evaluate", "nn4_small2_lfw", f"--protocol=pairs:{URL}"])
    assert REFUSED in capsys.readouterr().err


def test_every_key_that_is_text_is_a_path_or_is_not():
    def walk(section, above=""):
        for key, value in section.items():
            if isinstance(value, ConfigDict):
                yield from walk(value, f"{above}{key}.")
            elif isinstance(value, str | tuple) or section.get_type(key) is str:
                yield f"{above}{key}"

    assert set(walk(base())) == OTHER_KEYS | set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_keys_of_the_config(key, tiny, tmp_path):
    value = (URL,) if key == "report.published_roc" else URL
    config = tiny_config(tmp_path / "cache", **{key: value})
    if key == "data.path":
        use_data(config, "folder", value)
    with pytest.raises(UsageError, match=REFUSED):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_main_names_its_flag(tmp_path):
    config = f"--config={ROOT / 'configs/nn4.py'}"
    for arguments, name in (
        ([f"{config}:synthetic", f"--workdir={URL}"], "--workdir"),
        ([f"{config}:{URL}", "--workdir=run"], "data.path"),
    ):
        process = subprocess.run(
            [sys.executable, "-m", "cl_facenet.main", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
        )
        assert (process.returncode, process.stdout) == (2, "")
        assert process.stderr == f"cl_facenet: {name}={REFUSED}\n"
        assert not list(tmp_path.iterdir())


def test_the_user_s_cache_folder(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "s3://bucket")
    with pytest.raises(UsageError, match=r"^XDG_CACHE_HOME=s3://bucket: s3:// paths"):
        default_cache_dir()


@pytest.mark.parametrize("path", [URL, Path(URL)])
def test_in_python(path, tiny, tmp_path):
    embedder = cl_facenet.load("nn4_small2_lfw")
    config = tiny_config(tmp_path / "cache")
    for call in (
        lambda: cl_facenet.load(path),
        lambda: embedder.save(path),
        lambda: save_onnx(embedder, path),
        lambda: save_stablehlo(embedder, path),
        lambda: train(config, path),
        lambda: evaluate(config, path),
        lambda: read_curves([path]),
        lambda: open_photo(path),
        lambda: open_photo(np.array([str(path)])[0]),
    ):
        with pytest.raises(UsageError, match="gs:// paths are not supported"):
            call()
