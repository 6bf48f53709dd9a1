"""Every command and every program of the README runs, in the words that it has there.

Each block of commands runs in a folder of its own, as by a reader who has what the text
speaks of: two photos, a folder of people, LFW, OpenFace's files, a run on ORL. The
programs in Python run behind the commands above them. What stands in for what:

- LFW is a made-up one (`lfw_like`), which is also what is there to be downloaded.
- A training is started (config, data, first state, what it begins from) and stopped in
  front of its first step, where it saves a checkpoint, as if by SIGTERM. The step, most
  of what compiles, is one that does nothing.
- A training on several machines is only looked at: `--mode=summary`.
- What is not run at all is in NOT_RUN, word by word.
"""

import contextlib
import io
import re
import shlex
import shutil
import sys
from pathlib import Path

import jax
import pytest
from absl import flags
from lfw_like import PEOPLE, lines
from openface_like import BLOCKS, random_weights, write_csv
from PIL import Image

import cl_facenet.main
from cl_facenet import build, cli, prepare
from cl_facenet.data.orl import read_orl
from cl_facenet.train import Loop

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

NOT_RUN = {
    "pip install -e '.[align]'",
    "pip install -e .",
    "pip install -e '.[test]'",
    "pytest",
    "pip install -e '.[notebook]'",
    "jupyter lab experiments/notebooks",  # tests/test_notebooks.py runs them
    "pip install -e '.[onnx]'",
    "pip install -e '.[cuda12]'",
    "pip install -e '.[tpu]'",
    # Of what these start on each machine, the `main` is looked at.
    'gcloud compute tpus tpu-vm ssh NAME --worker=all --command="cd cl_facenet',
    "srun --ntasks-per-node=1",
    "for i in 0 1; do",
    "& done; wait",
    "XLA_FLAGS=--xla_force_host_platform_device_count=4",
}
NOT_RUN_PYTHON = {"import torch"}  # first lines; torch is no dependency
SEVERAL = ("--cluster", "--hosts=", "parallel.model_axis")  # need more than is here

README = (ROOT / "README.md").read_text()
PROGRAM = r"(?:python -m cl_facenet\.main|python -m cl_facenet\.prepare|cl-facenet) "


def commands_of(block):
    """The commands of a block, each on one line, without comments."""
    joined = re.sub(r"\\\n\s*", "", block)
    for line in joined.splitlines():
        yield from (re.sub(r"(^|\s+)#.*", "", line)).split(" && ")


def parts_of(command):
    """What is before a program of ours, the program with its arguments, the rest."""
    found = re.search(rf"({PROGRAM}[^&\"]*)", command)
    if not found:
        return command.strip(), "", ""
    before, after = command[: found.start()], command[found.end() :]
    return before.strip(), found[1].strip(), after.strip()


def all_blocks():
    return [(found[1], found[2]) for found in BLOCK.finditer(README)]


def test_what_is_not_run_is_exactly_what_is_listed():
    left_out = set()
    for language, block in all_blocks():
        if language == "bash":
            for command in commands_of(block):
                before, _, after = parts_of(command)
                left_out |= {before, after.strip('"')}
    assert left_out - {""} == NOT_RUN
    assert {language for language, _ in all_blocks()} == {"bash", "python", ""}


def photo(folder, name, pixels, times=3):
    """A photo of ORL, large enough for a face to be found."""
    image = Image.fromarray(pixels)
    folder.mkdir(parents=True, exist_ok=True)
    image.resize((times * image.width, times * image.height)).save(folder / name)


@pytest.fixture
def shared(tmp_path, lfw_like):
    """What the README speaks of as the reader's."""
    mine, faces = tmp_path / "shared", read_orl()
    for number, name in enumerate("ab"):
        photo(mine, f"{name}.jpg", faces[1, number])
        photo(mine / "path/to/photos", f"{name}.jpg", faces[1, number])
    for person in range(8):
        for number in range(3):
            folder = mine / "path/to/people" / f"person {person}"
            photo(folder, f"{number}.jpg", faces[person, number])
    shutil.make_archive(str(mine / "people"), "zip", mine / "path/to/people")
    shutil.copytree(lfw_like, mine / "path/to/lfw")
    write_csv(mine / "path/to/csv", random_weights(BLOCKS))
    rows = [("person", "gender"), *((name, name[:3]) for name in PEOPLE)]
    (mine / "groups.csv").write_text(lines(*rows).replace("\t", ","))
    (mine / "configs").symlink_to(ROOT / "configs")
    (mine / "runs").mkdir()
    return mine


@pytest.fixture
def in_a_new_folder(shared, tmp_path, monkeypatch):
    """Goes to a folder that has what is the reader's, and the runs to go on with."""
    number = iter(range(100))

    def go():
        folder = tmp_path / str(next(number))
        (folder / "runs").mkdir(parents=True)
        for path in shared.iterdir():
            if path.name != "runs":
                (folder / path.name).symlink_to(path)
        for name, run in (("runs/nn4-orl", "nn4-orl"), ("MODEL", "nn4-lfw")):
            if (shared / "runs" / run).exists():
                (folder / name).symlink_to(shared / "runs" / run)
        monkeypatch.chdir(folder)

    return go


@pytest.fixture
def stopped_at_once(monkeypatch):
    """A training saves the state that it begins with, and is stopped."""
    idle = jax.jit(lambda state, batch: (state, {}))
    monkeypatch.setattr(build, "build_train_step", lambda *_: idle)

    def run(self, config, state, identity):
        self.save(1, state, identity)
        self.log.close()
        return False

    monkeypatch.setattr(Loop, "run", run)


def run_main(words):
    """As a process of its own would."""
    known = flags.FLAGS
    known.unparse_flags()
    for name in [name for name in known if name.startswith("config.")]:
        delattr(known, name)
    is_only_looked_at = any(key in word for word in words for key in SEVERAL)
    more = ["--mode=summary"] if is_only_looked_at else []
    with pytest.MonkeyPatch.context() as patch:  # where ml_collections looks for keys
        patch.setattr(sys, "argv", ["main", *words, *more])
        return cl_facenet.main.main(sys.argv)


def run_command(command):
    """The exit status of a program of ours, and what it said."""
    said = io.StringIO()
    program, *words = shlex.split(command.replace("$i", "0"))
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        if program == "cl-facenet":
            status = cli.main(words)
        elif words[1] == "cl_facenet.prepare":
            is_download = "lfw" in words and not any("--source" in w for w in words)
            more = ["--source=path/to/lfw"] if is_download else []
            status = prepare.main([*words[2:], *more])
        else:
            status = run_main(words[2:])
    return status, said.getvalue()


@pytest.mark.filterwarnings("ignore:the load_module")  # absl's, of config files
@pytest.mark.usefixtures("stopped_at_once")
# ORL's photos are cut close.
@pytest.mark.filterwarnings("ignore::cl_facenet.FaceWarning")
def test_all_the_rest_runs(shared, in_a_new_folder, monkeypatch):
    names, done = {}, set()
    for number, (language, block) in enumerate(all_blocks()):
        # Of LFW that is prepared in two ways the reader would have to choose one.
        monkeypatch.setenv("XDG_CACHE_HOME", str(shared / f"cache {'head' in block}"))
        if language == "python" and block.splitlines()[0] not in NOT_RUN_PYTHON:
            exec(compile(block, f"README.md, block {number}", "exec"), names)
        if language != "bash":
            continue
        in_a_new_folder()
        for command in commands_of(block):
            _, ours, _ = parts_of(command)
            if ours and ours not in done:
                done.add(ours)
                status, said = run_command(ours)
                assert status == 0, f"{ours}\n{said}"
        for run in Path("runs").iterdir():
            if not (shared / "runs" / run.name).exists():
                run.rename(shared / "runs" / run.name)
    assert len(done) > 25
