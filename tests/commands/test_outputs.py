"""Outputs are --out=, of their own kind, and over nothing that is there or is read."""

import os
import shutil

import pytest
from commands.models import save_tiny
from commands.shell import say
from faces import folder_of_faces

A, B = "'faces/person 0/0.jpg'", "'faces/person 1/0.jpg'"
WRITING = {
    "export": ("export model --out={}", "faces.onnx"),
    "cluster": ("cluster faces --model=model --out={}", "who.html"),
    "embed": ("embed faces --model=model --out={}", "vectors.npz"),
    "embed as Parquet": ("embed faces --model=model --out={}", "vectors.parquet"),
    "compare": (f"compare {A} {B} --model=model --picture={{}}", "verdict.png"),
}
each = pytest.mark.parametrize(("line", "name"), WRITING.values(), ids=WRITING)


@pytest.fixture
def shell(tiny, tmp_path, monkeypatch, capsys):
    """Runs a command beside `model` and `faces`, and gives its status and error."""
    save_tiny(tmp_path / "model")
    folder_of_faces(tmp_path / "faces")
    monkeypatch.chdir(tmp_path)

    def run(line):
        status, out, err = say(line, capsys)
        assert bool(out) != bool(err)
        return status, err

    return run


def refused(run, status, says):
    """One line with something in it, and nothing else than before."""
    assert run[0] == status
    assert run[1].count("\n") == 1
    assert says in run[1]


@each
def test_what_is_there_is_overwritten_by_force_alone(line, name, shell, tmp_path):
    (tmp_path / name).write_text("mine")
    refused(shell(line.format(name)), 1, f"{name} is there already: choose another")
    assert (tmp_path / name).read_text() == "mine"
    assert shell(f"{line.format(name)} --force") == (0, "")
    assert (tmp_path / name).stat().st_size > 100


@each
def test_so_it_is_with_a_link_that_leads_nowhere(line, name, shell, tmp_path):
    (tmp_path / name).symlink_to("nowhere")
    refused(shell(line.format(name)), 1, f"{name} is there already")
    assert (tmp_path / name).is_symlink()


@each
@pytest.mark.parametrize("ending", [".jpg", ".tflite", ""])
def test_it_is_called_what_it_is(line, name, ending, shell, tmp_path):
    other = f"mine{ending}"
    (tmp_path / other).write_text("mine")
    for force in ("", " --force"):
        refused(shell(line.format(other) + force), 2, f"={other}: it ends in .")
    assert (tmp_path / other).read_text() == "mine"


def test_clusters_html_is_a_file_like_others(shell, tmp_path):
    (tmp_path / "clusters.html").write_text("mine")
    refused(shell("cluster faces --model=model"), 1, "clusters.html is there already")
    assert (tmp_path / "clusters.html").read_text() == "mine"


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_a_photo_that_is_compared_is_never_written(link, shell, tmp_path):
    photo = shutil.copy(tmp_path / "faces/person 0/0.jpg", tmp_path / "a.png")
    before = photo.read_bytes()
    out = photo if link is None else tmp_path / "link.png"
    if link:
        link(photo, out)
    line = f"compare a.png {B} --model=model --picture={out} --force"
    refused(shell(line), 1, "is one of the photos to be read")
    assert photo.read_bytes() == out.read_bytes() == before
    other = f"compare {B} {out} --model=model --picture=a.png --force"
    refused(shell(other), 1, "is one of the photos to be read")


@pytest.mark.parametrize(
    ("line", "name"), [WRITING["cluster"], WRITING["embed"]], ids=["cluster", "embed"]
)
def test_a_photo_of_the_folder_is_never_written(line, name, shell, tmp_path):
    """A photo is one by its content: this one lies elsewhere, under an odd name."""
    photo = shutil.copy(tmp_path / "faces/person 0/0.jpg", tmp_path / name)
    before = photo.read_bytes()
    (tmp_path / "faces/person 0/link.jpg").symlink_to(photo)
    refused(shell(f"{line.format(name)} --force"), 1, "one of the photos to be read")
    assert photo.read_bytes() == before


def test_another_file_of_the_folder_is_as_any(shell, tmp_path):
    line = "cluster faces --model=model --out=faces/who.html"
    assert shell(line) == (0, "")
    refused(shell(line), 1, "is there already")
    assert shell(f"{line} --force") == (0, "")


@pytest.mark.parametrize("form", ["safetensors", "stablehlo"])
def test_a_folder_is_replaced_if_it_was_written_so(form, shell, tmp_path):
    line = f"export model --format={form} --out="
    refused(shell(f"{line}faces"), 1, "faces is not empty: choose another folder")
    refused(shell(f"{line}faces --force"), 1, "faces holds person 0, which is not of")
    for name in ("faces.onnx", "mine.jpg", "faces.safetensors"):
        refused(shell(line + name), 1, f"{name} is to be a folder, but")
        assert not (tmp_path / name).exists()
    assert shell(f"{line}new") == (0, "")
    (written,) = (tmp_path / "new").glob("*.s*")  # weights, or the program
    before = written.stat().st_size
    written.write_bytes(b"")
    refused(shell(f"{line}new"), 1, "new is not empty")
    assert shell(f"{line}new --force") == (0, "")
    assert written.stat().st_size == pytest.approx(before, rel=0.01)
    (tmp_path / "new/mine.txt").touch()
    refused(shell(f"{line}new --force"), 1, "new holds mine.txt, which is not of what")
    assert {path.name for path in tmp_path.iterdir()} == {"model", "faces", "new"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "export model faces.onnx",
            "an output is named by --out=: type --out=faces.on",
        ),
        ("export model mine.jpg --out=faces.onnx", "mine.jpg: an output is named by"),
        ("export model", "--out= is missing, as in cl-facenet export"),
        ("align faces aligned", "type --out=aligned, as in cl-facenet align photos --"),
        ("align faces", "--out= is missing, as in cl-facenet align"),
    ],
)
def test_where_the_output_stood_once(line, says, shell, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    refused(shell(line), 2, says)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["mine.jpg", "mine"])
def test_aligned_photos_are_not_put_where_a_file_is(name, shell, tmp_path):
    (tmp_path / name).write_text("mine")
    refused(shell(f"align faces --align=none --out={name}"), 1, f"{name} is ")
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("out", ["faces", "faces/aligned", ".", "link"])
def test_photos_are_not_aligned_among_themselves(out, shell, tmp_path):
    (tmp_path / "link").symlink_to("faces")
    before = sorted(tmp_path.rglob("*"))
    refused(
        shell(f"align faces --align=none --out={out}"), 1, "overlap: choose a folde"
    )
    assert sorted(tmp_path.rglob("*")) == before


@each
def test_a_bucket_is_not_a_folder(line, name, shell, tmp_path):
    refused(
        shell(line.format(f"gs://bucket/{name}")), 2, "gs:// paths are not supported"
    )
    assert not (tmp_path / "gs:").exists()


@pytest.mark.parametrize("out", ["model", "model/inside", "."])
def test_a_model_is_not_exported_over_itself(out, shell):
    line = f"export model --out={out} --format=safetensors --force"
    refused(shell(line), 1, "overlap: choose a folder beside it")
