"""The embedder is the trained model, to the last bit, whatever it is given."""

import dataclasses
from collections import deque
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from tiny import TINY, tiny_config

import cl_facenet
from cl_facenet.build import build_model
from cl_facenet.checkpoint import restore_parts
from cl_facenet.compiling import jit
from cl_facenet.data.synthetic import draw_photo
from cl_facenet.dataset import build_data
from cl_facenet.embedder import Verdict
from cl_facenet.errors import InputError
from cl_facenet.evaluation.calibration import CalibratedOn, Calibration, Threshold
from cl_facenet.models.facenet import NETWORKS, abstract_variables, unit_range
from cl_facenet.train import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(config, workdir) of a finished run of the tiny network."""
    NETWORKS["tiny"] = TINY
    config = tiny_config(tmp_path_factory.mktemp("cache"), num_epochs=4)
    workdir = tmp_path_factory.mktemp("run")
    train(config, workdir)
    yield config, workdir
    del NETWORKS["tiny"]


@pytest.fixture
def embedder(run):
    return cl_facenet.load(run[1])


def test_the_embedding_is_the_trained_model_s_to_the_last_bit(run, embedder):
    config, workdir = run
    records, split = build_data(config)
    model = build_model(config, len(split.train_people))
    like = abstract_variables(model, config.data.image_size)
    state, _ = restore_parts(workdir / "checkpoints", like)
    images = records.images(range(16))
    outputs = jit(lambda v, x: model.apply(v, unit_range(x)))(state, images)
    np.testing.assert_array_equal(embedder(images), outputs["embedding"])
    assert "logits" in outputs


def test_the_head_is_gone(embedder):
    assert set(embedder.params["params"]) == {"trunk", "embedding"}


def test_apply_is_a_pure_function_of_its_params(embedder):
    images = np.random.default_rng(0).random((3, 32, 32, 3), np.float32)
    vectors = jax.jit(embedder.apply)(embedder.params, images)
    gradient = jax.grad(lambda x: embedder.apply(embedder.params, x)[0, 0])(images)
    assert vectors.shape == (3, 8)
    assert np.isfinite(gradient).all()
    assert np.any(gradient[0])
    assert not np.any(gradient[1:])  # in evaluation photos do not see each other


def test_photos_of_all_kinds_and_sizes(embedder, tmp_path):
    photo = draw_photo(0, 1, 2)
    photo.save(tmp_path / "face.png")
    kinds = [
        photo,
        np.asarray(photo),
        tmp_path / "face.png",
        str(tmp_path / "face.png"),
    ]
    vectors = embedder([*kinds, photo.resize((300, 200)), photo.convert("L")])
    assert vectors.shape == (6, 8)
    assert vectors.dtype == np.float32
    for vector in vectors[1:4]:
        np.testing.assert_array_equal(vector, vectors[0])
    arrays = jnp.asarray(photo)[None]
    np.testing.assert_allclose(embedder(arrays)[0], vectors[0], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("number", [0, 1, 5, 70])
def test_any_number_of_photos(embedder, number):
    images = np.random.default_rng(0).integers(0, 256, (70, 32, 32, 3), dtype=np.uint8)
    vectors = embedder(images[:number])
    assert vectors.shape == (number, 8)
    np.testing.assert_allclose(vectors, embedder(images)[:number], atol=1e-6)


def test_an_array_of_the_right_size_is_taken_as_it_is(embedder):
    size = embedder.preprocessing.image_size
    images = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), np.uint8)
    np.testing.assert_array_equal(embedder(images), embedder(list(images)))


def test_any_sequence_of_photos_will_do(embedder):
    photos = [draw_photo(0, number, 0) for number in range(2)]
    for kind in (tuple, deque):
        np.testing.assert_array_equal(embedder(kind(photos)), embedder(photos))


def test_distance_is_squared_euclidean(embedder):
    a, b = embedder([draw_photo(0, 0, 0), draw_photo(0, 1, 0)])
    assert embedder.distance(a, a) == 0
    assert embedder.distance(a, b) == pytest.approx(2 - 2 * a @ b, abs=1e-6)
    assert embedder.distance(np.array([1.0, 0]), np.array([-1.0, 0])) == 4


def test_verify_says_what_its_answer_is_worth(embedder):
    a, b = photos = [draw_photo(0, 0, 0), draw_photo(0, 1, 0)]
    distance = float(embedder.distance(*embedder(photos)))
    on = CalibratedOn("faces", "all pairs", 10, 100, 3)
    for threshold in (distance, np.nextafter(distance, 4)):
        thresholds = (Threshold(0.1, 4.0, 1.0), Threshold(0.01, threshold, 0.9))
        calibration = Calibration(on, thresholds)
        embedder.card = dataclasses.replace(embedder.card, calibration=calibration)
        assert embedder.verify(a, b) == Verdict(
            same=distance < threshold,
            distance=distance,
            threshold=threshold,
            false_accept_rate=0.01,
            calibrated_on=on,
        )
    assert embedder.verify(a, b, false_accept_rate=0.1).threshold == 4.0
    with pytest.raises(InputError, match=r"tell those for 0\.1, 0\.01$"):
        embedder.verify(a, b, false_accept_rate=0.001)
    with pytest.raises(InputError, match=r"nowhere\.jpg: no photo file there"):
        embedder.verify(a, "nowhere.jpg")


def test_without_people_to_measure_on_there_is_no_answer(embedder):
    photo = draw_photo(0, 0, 0)
    embedder.card = dataclasses.replace(embedder.card, calibration=None)
    with pytest.raises(InputError, match="no thresholds are known of this embedder"):
        embedder.verify(photo, photo)
    embedder.card = None
    with pytest.raises(InputError, match="no thresholds are known of this embedder"):
        embedder.verify(photo, photo)


def test_bad_photos_are_named(embedder, tmp_path):
    (tmp_path / "text.jpg").write_text("not a photo")
    with pytest.raises(InputError, match=r"text\.jpg"):
        embedder([tmp_path / "text.jpg"])
    with pytest.raises(InputError):
        embedder([np.zeros((32, 32, 3), np.float32)])
    for thing in (None, b"bytes", 1, [draw_photo(0, 0, 0)]):
        with pytest.raises(InputError, match="give a path, a Pillow image or a uint8"):
            embedder([thing])


def test_nothing_trained_there(run, tmp_path):
    with pytest.raises(InputError, match=r"no config\.json"):
        cl_facenet.load(tmp_path)
    (tmp_path / "config.json").write_text((run[1] / "config.json").read_text())
    with pytest.raises(InputError, match="holds no checkpoint: train first"):
        cl_facenet.load(tmp_path)


def test_a_config_of_another_model_is_refused(run, tmp_path):
    workdir = run[1]
    (tmp_path / "checkpoints").symlink_to(workdir / "checkpoints")
    text = (workdir / "config.json").read_text()
    other = text.replace('"embedding_size": 8', '"embedding_size": 16')
    (tmp_path / "config.json").write_text(other)
    with pytest.raises(InputError, match=r"embedding/bias is \[8\] there, \[16\] here"):
        cl_facenet.load(tmp_path)


@pytest.mark.parametrize(
    "photo",
    [
        Image.new("RGB", (32, 32)),
        "face.jpg",
        Path("face.jpg"),
        np.zeros((32, 32, 3), "u1"),
        b"bytes",
    ],
)
def test_one_photo_is_not_a_list_of_photos(embedder, photo):
    with pytest.raises(InputError, match="list"):
        embedder(photo)
