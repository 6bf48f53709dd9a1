"""Folders of every name that a file system allows, for libraries that do not."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_checkpoint import assert_is_step, restored, save_two

from cl_facenet import plain_paths
from cl_facenet.data.preprocessing import Preprocessing
from cl_facenet.data.records import open_records, store
from cl_facenet.data.synthetic import synthetic_source
from cl_facenet.errors import InputError
from cl_facenet.plain_paths import plain_path

NAMES = [
    *("faces [2024]", "[a]", "a\\b", "a*b", "a?b", "{a,b}", "!(a)", "sp  ace", " "),
    *("q'uo\"te", "50%", "%20", "new\nline", "tab\t", "dot.", "...", "~", "~root"),
    *(
        "a@3",
        "a@*",
        "a[0:3]",
        "a-00000-of-00001",
        "1.0.0",
        "a#b",
        "a:b",
        "gs:",
        "$HOME",
    ),
    *("-dash", "é", "e\u0301", "名前", "\u202e", "\x01", "a|b&c;d", "`x`", "<a>", "^"),
    *("x" * 255, os.fsdecode(b"b\xff\xfe"), "22", "22.orbax-checkpoint-tmp-1"),
]

# Those that stay as they are, which libraries see, and some of the others, which they
# do not.
SEEN = [
    *("sp  ace", " ", "dot.", "...", "~", "~root", "a@3", "a-00000-of-00001", "1.0.0"),
    *("-dash", "é", "名前", "x" * 255, "22", "faces [2024]", "a\\b", "gs:", "a*b"),
    *("22.orbax-checkpoint-tmp-1", os.fsdecode(b"b\xff\xfe")),
]


@pytest.mark.parametrize("name", SEEN, ids=ascii)
def test_checkpoints_below_a_folder_of_any_name(tiny, tmp_path, name):
    """And a copy under another name is as good."""
    save_two(tmp_path / name / "checkpoints")
    assert_is_step(2, restored(tmp_path / name / "checkpoints")[0])
    shutil.copytree(tmp_path / name, tmp_path / "plain")
    assert_is_step(2, restored(tmp_path / "plain" / "checkpoints")[0])


def test_checkpoints_below_a_very_long_path(tiny, tmp_path):
    """Of those names that Orbax makes up, some would be too long."""
    long = tmp_path.joinpath(*["x" * 250] * 15)
    long = long / ("x" * (3950 - len(str(long))))
    save_two(long)
    assert_is_step(2, restored(long)[0])


@pytest.mark.parametrize("name", SEEN, ids=ascii)
def test_records_in_a_folder_of_any_name(tmp_path, name):
    out, below = tmp_path / name, tmp_path / "cache" / name / "records"
    for directory in (out, below):
        source = synthetic_source(num_people=2, photos_per_person=2, seed=0)
        store(source, directory, Preprocessing("none", 32), skip_unreadable=False)
        assert len(open_records(directory).images(range(4))) == 4


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_plain_path_is_of_letters_and_leads_to_the_same_folder(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    plain = plain_path(folder)
    assert re.fullmatch(r"[\w /.,+=@~()'-]+", str(plain))
    (folder / "file").touch()
    assert (plain / "file").exists()
    assert plain_path(folder) == plain


def test_a_plain_name_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert plain_path(Path("My runs/nn4-José")) == tmp_path / "My runs/nn4-José"


def test_what_looks_like_a_bucket_is_a_folder(tmp_path):
    assert plain_path(Path("/gs/runs")) != Path("/gs/runs")


def test_the_links_end_with_the_process_and_not_with_a_fork_of_it(tmp_path):
    folder = tmp_path / "a*b"
    folder.mkdir()
    (folder / "mine").touch()
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from cl_facenet.plain_paths import plain_path\n"
        "link = plain_path(Path(sys.argv[1]))\n"
        "child = os.fork()\n"
        "if child == 0: sys.exit()\n"
        "os.waitpid(child, 0)\n"
        "print(link, (link / 'mine').exists())\n"
    )
    command = [sys.executable, "-c", code, str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    link, was_there = run.stdout.split()
    assert was_there == "True"
    assert not Path(link).exists()
    assert (folder / "mine").exists()


def test_temporary_files_in_a_folder_of_an_odd_name(tmp_path, monkeypatch):
    odd = tmp_path / "a*b"
    odd.mkdir()
    plain_paths._links.cache_clear()
    plain_paths._link_to.cache_clear()
    monkeypatch.setattr("tempfile.tempdir", str(odd))
    assert not str(plain_path(odd)).startswith(str(tmp_path))
    plain_paths._links.cache_clear()
    plain_paths._link_to.cache_clear()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match="set TMPDIR to another"):
        plain_path(odd)
