"""A saved embedder: the same vectors, from files that only JSON and arrays are in."""

import dataclasses
import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from export.embedders import embedder_of, photos
from tiny import tiny_config

import cl_facenet
from cl_facenet import cli, model_folder
from cl_facenet.errors import InputError
from cl_facenet.evaluation.calibration import CalibratedOn, Calibration, Threshold
from cl_facenet.model_card import Architecture, ModelCard, TrainedOn
from cl_facenet.params import leaves
from cl_facenet.train import train

CARD = ModelCard(
    Architecture("tiny", "openface", 16),
    TrainedOn("faces", 9, ("Ada", "Bob"), 5),
    calibration=Calibration(
        CalibratedOn("faces", "all pairs", 10, 100, 3), (Threshold(0.1, 0.7, 0.9),)
    ),
)


@pytest.fixture
def embedder(tiny):
    made = embedder_of("tiny", "openface", 32)
    made.card = CARD
    return made


@pytest.fixture
def saved(embedder, tmp_path):
    embedder.save(tmp_path / "faces")
    return tmp_path / "faces"


def changed(folder, **parts):
    """The same folder, whose model.json says something else."""
    about = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(about | parts))


def test_it_comes_back_to_the_last_bit(embedder, saved):
    again = cl_facenet.load(saved)
    images = photos(4, 32)
    np.testing.assert_array_equal(again(images), embedder(images))
    jax.tree.map(np.testing.assert_array_equal, again.params, embedder.params)
    assert all(x.dtype == jnp.float32 for _, x in leaves(again.params))
    assert (again.card, again.preprocessing) == (CARD, embedder.preprocessing)


@pytest.mark.parametrize("part", ["groups", "recipe"])
def test_a_card_says_what_else_was_measured_or_nothing(part, embedder, tmp_path):
    measured = {"overall": {"num_people": 9}}
    embedder.card = dataclasses.replace(CARD, **{part: measured})
    embedder.save(tmp_path / "faces")
    assert cl_facenet.load(tmp_path / "faces").card == embedder.card
    about = tmp_path / "faces/model.json"
    content = json.loads(about.read_text())
    del content[part]  # as in those of earlier versions
    about.write_text(json.dumps(content))
    assert cl_facenet.load(tmp_path / "faces").card == CARD


def test_bfloat16_is_half_as_large_and_float32_when_loaded(embedder, saved, tmp_path):
    """The statistics, by which is divided, keep all their bits."""
    embedder.save(tmp_path / "half", dtype="bfloat16")
    sizes = {
        folder: len((folder / "weights.safetensors").read_bytes())
        for folder in (saved, tmp_path / "half")
    }
    assert sizes[tmp_path / "half"] < 0.6 * sizes[saved]
    again = cl_facenet.load(tmp_path / "half")
    for name, array in leaves(again.params["params"]):
        assert array.dtype == jnp.float32
        before = dict(leaves(embedder.params["params"]))[name]
        np.testing.assert_array_equal(array, before.astype(jnp.bfloat16))
    jax.tree.map(
        np.testing.assert_array_equal,
        again.params["batch_stats"],
        embedder.params["batch_stats"],
    )
    images = photos(4, 32)
    np.testing.assert_allclose(again(images), embedder(images), atol=0.02)


def test_the_folder_says_what_it_is(saved):
    assert sorted(path.name for path in saved.iterdir()) == [
        "model.json",
        "weights.safetensors",
    ]
    about = json.loads((saved / "model.json").read_text())
    assert "trained on" in about.pop("licence")
    assert "evaluate MODEL --protocol=lfw_view1 --groups=" in about.pop("limits")
    assert len(about.pop("weights")["sha256"]) == 64
    about.pop("cl_facenet_version")
    assert about == {
        "format": "cl_facenet embedder",
        "format_version": 1,
        "architecture": {
            "name": "tiny",
            "graph": "openface",
            "embedding_size": 16,
            "dtype": "float32",
        },
        "preprocessing": {
            "align": "none",
            "image_size": 32,
            "channels": "RGB",
            "fit": "center_square",
            "resample": "bicubic",
        },
        "trained_on": {
            "data": "faces",
            "num_photos": 9,
            "people": ["Ada", "Bob"],
            "step": 5,
        },
        "results": None,
        "groups": None,
        "recipe": None,
        "calibration": {
            "calibrated_on": {
                "data": "faces",
                "protocol": "all pairs",
                "num_same_pairs": 10,
                "num_different_pairs": 100,
                "num_people": 3,
            },
            "thresholds": [
                {
                    "false_accept_rate": 0.1,
                    "threshold": 0.7,
                    "true_accept_rate": 0.9,
                }
            ],
        },
    }


def test_it_loads_without_what_trained_it(tmp_path):
    """Neither the data stack nor Orbax nor plots, in a process of its own."""
    real = embedder_of("nn4.small2", "openface", 96)
    architecture = Architecture("nn4.small2", "openface", 16)
    real.card = dataclasses.replace(CARD, architecture=architecture)
    real.save(tmp_path / "real")
    code = (
        "import sys, cl_facenet\n"
        f"cl_facenet.load({str(tmp_path / 'real')!r})\n"
        "print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    loaded = {name.split(".")[0] for name in run.stdout.split()}
    assert "flax" in loaded
    assert not loaded & {
        *("grain", "tensorflow_datasets", "array_record", "orbax"),
        *("sklearn", "matplotlib"),
    }


def test_a_run_is_saved_and_gives_the_same_vectors(tiny, tmp_path, capsys):
    train(tiny_config(tmp_path / "cache", num_epochs=1), tmp_path / "run")
    capsys.readouterr()
    run, out = str(tmp_path / "run"), tmp_path / "faces"
    assert (
        cli.main(["export", run, f"--out={out}", "--format=safetensors", "--json"]) == 0
    )
    said = json.loads(capsys.readouterr().out)
    size = sum(path.stat().st_size for path in out.iterdir())
    assert said == {
        "file": str(out),
        "format": "safetensors",
        "bytes": size,
        "dtype": "float32",
    }
    ran, again = cl_facenet.load(run), cl_facenet.load(out)
    images = photos(4, 32)
    np.testing.assert_array_equal(again(images), ran(images))
    assert again.card == ran.card
    results = json.loads((tmp_path / "run/results.json").read_text())
    about = json.loads((out / "model.json").read_text())
    assert about["results"]["verification"] == results["verification"]
    assert about["calibration"] == results["calibration"]
    assert about["trained_on"]["people"] == results["data"]["train_people"]
    assert about["trained_on"]["num_photos"] > results["data"]["num_train_photos"] - 1
    assert about["trained_on"]["data"] == results["data"]["source"]
    assert about["trained_on"]["step"] == results["step"]
    # And a saved one may be saved again.
    half = str(tmp_path / "half")
    flags = ["--format=safetensors", "--dtype=bfloat16"]
    assert cli.main(["export", str(out), f"--out={half}", *flags]) == 0
    assert capsys.readouterr().out == f"{half}: 0.0 MB\n"


def test_results_of_other_weights_are_left_out(tiny, tmp_path):
    train(tiny_config(tmp_path / "cache", num_epochs=1), tmp_path / "run")
    path = tmp_path / "run/results.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"step": 1}))
    card = cl_facenet.load(tmp_path / "run").card
    assert (card.results, card.calibration) == (None, None)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"format_version": 2}, "later cl_facenet: its format is version 2, .* --upgr"),
        ({"format_version": 0}, "damaged"),
        ({"format_version": "1"}, r"model\.json is damaged \(format_version '1'\)"),
        ({"format": "ours"}, "of no saved embedder"),
        ({"architecture": {"name": "tiny"}}, r"damaged \(KeyError: 'graph'\)"),
        ({"architecture": None}, r"model\.json is damaged \(TypeError"),
        ({"calibration": {}}, r"damaged \(KeyError: 'thresholds'\)"),
        ({"trained_on": []}, r"model\.json is damaged \(TypeError"),
        ({"weights": {}}, r"model\.json is damaged \(KeyError: 'sha256'\)"),
        ({"preprocessing": {"align": "none"}}, "preprocessing without 'image_size'"),
        ({"preprocessing": {"align": 1, "image_size": "x"}}, "of no image size"),
    ],
)
def test_a_description_that_cannot_be_used(part, says, saved):
    changed(saved, **part)
    with pytest.raises(InputError, match=says):
        cl_facenet.load(saved)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("name", "nn9", "model.name is 'nn9': choose one of"),
        ("graph", "none", "model.graph is 'none': choose"),
        ("dtype", "int8", "model.dtype is 'int8': choose"),
        ("embedding_size", 8, r"not all of this model; misshapen: .*embedding/bias"),
        ("embedding_size", -1, "no number from 1 on"),
    ],
)
def test_weights_of_another_architecture(key, value, says, saved):
    about = json.loads((saved / "model.json").read_text())
    changed(saved, architecture=about["architecture"] | {key: value})
    with pytest.raises(InputError, match=says) as caught:
        cl_facenet.load(saved)
    assert caught.value.exit_status == 1


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "[]", "\x00"])
def test_a_description_that_is_cut_short(content, saved):
    (saved / "model.json").write_text(content)
    with pytest.raises(InputError, match=r"model\.json is (damaged|of no saved)"):
        cl_facenet.load(saved)


def test_weights_that_are_missing_or_damaged(saved):
    weights = saved / "weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match=r"weights\.safetensors is damaged, or of ano"):
        cl_facenet.load(saved)
    weights.unlink()
    with pytest.raises(InputError, match=r"weights\.safetensors is missing"):
        cl_facenet.load(saved)


def test_nothing_is_there(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match=r"no config\.json in it.*no model\.json"):
            cl_facenet.load(path)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("there", "is not empty: choose another folder"),
        ("there/file", "is a file: name a folder to be made"),
        ("nowhere/faces", "nowhere: no such folder; make it first"),
        ("n" * 300, r"cannot be written \(File name too long\)"),
    ],
)
def test_where_nothing_can_be_written_nothing_is_left(name, says, embedder, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/file").write_text("mine")
    with pytest.raises(InputError, match=says):
        embedder.save(tmp_path / name)
    assert list(tmp_path.rglob("*")) == [tmp_path / "there", tmp_path / "there/file"]


def test_a_save_that_fails_half_way_leaves_nothing(embedder, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model_folder, "write_whole", fail)
    with pytest.raises(InputError, match="No space left on device"):
        embedder.save(tmp_path / "faces")
    assert not list(tmp_path.iterdir())


def test_what_lies_beside_stays_whatever_it_is_called(embedder, tmp_path):
    (tmp_path / "faces.partial").mkdir()
    (tmp_path / "faces.partial/mine").touch()
    (tmp_path / "faces").mkdir()  # an empty one may be there
    embedder.save(tmp_path / "faces")
    assert {path.name for path in tmp_path.iterdir()} == {"faces", "faces.partial"}
    assert (tmp_path / "faces.partial/mine").exists()
    assert len(list((tmp_path / "faces").iterdir())) == 2


def test_a_link_to_a_saved_one_stays_a_link(embedder, tmp_path):
    embedder.save(tmp_path / "faces")
    (tmp_path / "link").symlink_to("faces")
    embedder.save(tmp_path / "link", dtype="bfloat16", overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"faces", "link"}
    assert (tmp_path / "link").is_symlink()
    about = json.loads((tmp_path / "faces/model.json").read_text())
    assert about["weights"]["dtype"] == "bfloat16"


def test_what_cannot_be_saved(embedder, tmp_path):
    with pytest.raises(InputError, match="dtype is 'float16': choose one of float32,"):
        embedder.save(tmp_path / "faces", dtype="float16")
    embedder.card = None
    with pytest.raises(InputError, match="has no card"):
        embedder.save(tmp_path / "faces")
