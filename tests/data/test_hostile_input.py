"""Hostile input: of every kind some cases, and each comes out as it should."""

import collections
import os
import random
import subprocess
import sys
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin

from cl_facenet.data import archive, photos
from experiments.reliability.hostile import photos as hostile_photos
from experiments.reliability.hostile.cases import Case, make_cases, outcome

ROOT = Path(__file__).parent.parent.parent
CASES = collections.defaultdict(list)
for case in make_cases(500, seed=0):
    CASES[case.family, case.kind].append(case)


def test_there_are_500_cases():
    assert len({case for own in CASES.values() for case in own}) >= 500


@pytest.mark.parametrize("kind", CASES, ids=" - ".join)
def test_hostile_input_is_read_or_one_line(kind, capfd):
    outcomes = {case: outcome(case) for case in CASES[kind]}
    wrong = {
        case: found for case, found in outcomes.items() if found not in case.may_be
    }
    assert not wrong
    assert capfd.readouterr() == ("", "")  # of libraries below Python, too


def test_a_case_is_decided_by_its_seed():
    for case in (Case("photos", "truncated", 3), Case("archives", "no archive", 3)):
        assert outcome(case) == outcome(case)


@pytest.mark.parametrize(
    ("family", "kind"), [("photos", "truncated"), ("archives", "truncated archive")]
)
def test_what_is_cut_short_by_little_may_be_whole(family, kind):
    found = {outcome(Case(family, kind, seed)) for seed in range(20)}
    assert len(found) == 2


def trusting(path, folder):
    with tarfile.open(path) as tar:
        tar.extractall(folder, filter="fully_trusted")


@pytest.mark.parametrize(
    "kind",
    [
        "tar: traversal",
        "tar: traversal in a PAX header",
        "tar: a file through a link",
        "tar: a damaged header",
    ],
)
def test_without_the_guard_archives_come_out_wrong(kind, monkeypatch):
    monkeypatch.setattr(archive, "_unpack_tar", trusting)
    found = [outcome(Case("archives", kind, seed)) for seed in range(8)]
    assert set(found) - {"refused"}


@pytest.mark.parametrize(
    ("kind", "part", "careless"),
    [
        ("16-bit grey", "_high_byte", lambda grey: np.clip(grey, 0, 255).astype("u1")),
        ("EXIF-rotated", "_turn", lambda image: None),
        ("alpha", "_to_rgb", lambda image: image.convert("RGB")),
    ],
)
def test_without_care_photos_come_out_wrong(kind, part, careless, monkeypatch):
    monkeypatch.setattr(photos, part, careless)
    found = [outcome(Case("photos", kind, seed)) for seed in range(4)]
    assert any("pixels differ" in one or "shape" in one for one in found)


def test_no_photo_starts_ghostscript(monkeypatch):
    started = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: started.append(1))
    case = Case("photos", "PostScript", 0)
    assert outcome(case) == "skipped"
    assert not started
    monkeypatch.setattr(photos, "FORMATS", None)  # all that Pillow knows
    outcome(case)
    assert started


def test_a_warning_of_our_own_would_be_seen(monkeypatch):
    def turn(image):
        warnings.warn("ours", UserWarning, stacklevel=1)

    monkeypatch.setattr(photos, "_turn", turn)
    assert outcome(Case("photos", "alpha", 0)) == "WRONG: warns: ours"


COMMANDS = {
    "prepare": ["cl_facenet.prepare", "folder", "--source={}", "--out={out}"],
    "align": ["cl_facenet.cli", "align", "{}", "--out={out}", "--align=none"],
    "train": ["cl_facenet.main", "--config=configs/nn4.py:{}", "--workdir={out}"],
}


@pytest.mark.parametrize(
    ("command", "source"),
    [
        ("prepare", "loop"),
        ("prepare", "a\nb \x1b[2J"),
        ("prepare", "x" * 300),
        ("align", "a\nb \x1b[2J"),
        ("train", "loop"),
    ],
)
def test_at_the_shell_it_is_one_line(command, source, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "a\nb \x1b[2J/ann").mkdir(parents=True)
    (tmp_path / "a\nb \x1b[2J/ann/0.jpg").write_text("no photo")
    before = sorted(tmp_path.rglob("*"))
    module, *flags = COMMANDS[command]
    given = [flag.format(tmp_path / source, out=tmp_path / "out") for flag in flags]
    run = subprocess.run(
        [sys.executable, "-m", module, *given], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert "\x1b" not in run.stderr
    if command != "align":  # which goes on from what is there
        assert sorted(tmp_path.rglob("*")) == before


def test_at_the_shell_pillow_says_nothing_unless_asked(tmp_path):
    """Here of a photo of more pixels than are read, which it warns about."""
    for person in ("a", "b"):
        (tmp_path / "people" / person).mkdir(parents=True)
        bomb = hostile_photos.bomb(random.Random(0))[0]
        (tmp_path / "people" / person / "photo.png").write_bytes(bomb)
    arguments = [
        "folder",
        f"--source={tmp_path / 'people'}",
        f"--out={tmp_path / 'out'}",
    ]
    for asked in ("", "default"):
        run = subprocess.run(
            [sys.executable, "-m", "cl_facenet.prepare", *arguments],
            env=os.environ | {"PYTHONWARNINGS": asked},
            capture_output=True,
            text=True,
        )
        assert run.returncode == 1
        assert "are over the limit" in run.stderr.splitlines()[-1]
        assert ("DecompressionBombWarning" in run.stderr) == (asked == "default")
        assert (run.stderr.count("\n") == 1) == (asked == "")
