"""ONNX files: what they say of themselves, and that only right ones are written."""

import json
import sys
from importlib.metadata import version

import numpy as np
import onnx
import onnxruntime
import pytest
from export.embedders import embedder_of, photos, run
from tiny import tiny_config

from cl_facenet import cli
from cl_facenet.errors import InputError
from cl_facenet.export.onnx import save_onnx, to_onnx
from cl_facenet.train import train


@pytest.fixture
def embedder(tiny):
    return embedder_of("tiny", "openface", 32)


def test_a_saved_model_is_one_that_was_tried(embedder, tmp_path):
    path = tmp_path / "model.onnx"
    difference = save_onnx(embedder, path)
    assert 0 <= difference < 1e-6
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    images = photos(4, 32)
    vectors = run(str(path), images)
    np.testing.assert_allclose(vectors, embedder(images), atol=1e-6)


def test_a_file_says_how_to_feed_it(tiny):
    embedder = embedder_of("tiny", "openface", 32, align="dlib")
    model = to_onnx(embedder)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (images,), (vectors,) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.type) == ("images", "tensor(uint8)")
    assert images.shape == ["batch", 32, 32, 3]
    assert (vectors.name, vectors.type) == ("embeddings", "tensor(float)")
    assert vectors.shape == ["batch", 16]
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about.pop("preprocessing")) == embedder.preprocessing.describe()
    assert about == {
        "cl_facenet_version": version("cl-facenet"),
        "align": "dlib",
        "image_size": "32",
        "input_layout": "NHWC",
        "input_channels": "RGB",
        "input_range": "0..255",
        "embedding_size": "16",
    }


@pytest.mark.parametrize("wrong", [2e-4, np.nan])
def test_a_model_that_embeds_otherwise_is_not_written(wrong, embedder, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"before")
    right = embedder.apply
    embedder.apply = lambda params, images: right(params, images) + wrong
    with pytest.raises(InputError, match="is not written: its embeddings differ"):
        save_onnx(embedder, tmp_path / "model.onnx", overwrite=True)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"before"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nowhere/model.onnx", "nowhere: no such folder; make it first"),
        ("file/model.onnx", "file: no such folder; make it first"),
        (".", "is a folder: name a file in it"),
        (
            "n" * 300 + ".onnx",
            r"cannot be written \(File name too long\); choose another place",
        ),
    ],
)
def test_where_no_file_can_be_nothing_is_left(name, says, embedder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=says):
        save_onnx(embedder, tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_what_is_not_installed_is_asked_for(missing, embedder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=r"pip install 'cl-facenet\[onnx\]'"):
        save_onnx(embedder, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_what_is_there_stays_unless_it_is_to_go(embedder, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"before")
    with pytest.raises(InputError, match=r"is there already: .* overwrite=True\)$"):
        save_onnx(embedder, path)
    assert path.read_bytes() == b"before"
    save_onnx(embedder, path, overwrite=True)
    onnx.checker.check_model(onnx.load(path))


@pytest.mark.parametrize("name", ["model.tflite", "model", "photo.jpg"])
def test_it_is_called_what_it_is(name, embedder, tmp_path):
    with pytest.raises(InputError, match=rf"{name}: it ends in \.onnx"):
        save_onnx(embedder, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_at_the_shell(tiny, tmp_path, capsys):
    train(tiny_config(tmp_path / "cache", num_epochs=1), tmp_path / "run")
    capsys.readouterr()
    out = tmp_path / "faces.onnx"
    arguments = ["export", str(tmp_path / "run"), f"--out={out}"]
    assert cli.main(arguments) == 0
    said = capsys.readouterr().out
    assert f"{out}: 0.0 MB; embeddings of random images differ from JAX's by" in said
    assert cli.main([*arguments, "--format=onnx", "--json", "--force"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result.pop("max_difference") < 1e-6
    size = out.stat().st_size
    assert result == {"file": str(out), "format": "onnx", "bytes": size}
    onnx.checker.check_model(onnx.load(out))
    for model, path in (("nowhere", out), (arguments[1], "nowhere/faces.onnx")):
        assert cli.main(["export", str(model), f"--out={path}"]) == 1
        assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(SystemExit, match="2"):
        cli.main([*arguments, "--format=tflite"])
