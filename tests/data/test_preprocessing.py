"""How photos were made square is said, read back, and held to."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from cl_facenet.data import landmarks, preprocessing
from cl_facenet.data.align import ALIGNMENTS, align
from cl_facenet.data.face_report import FaceReport
from cl_facenet.data.landmarks import Face
from cl_facenet.data.photos import fit_square
from cl_facenet.data.preprocessing import ALIGN, Prepared, Preprocessing, described
from cl_facenet.errors import InputError

NOISE = Image.effect_noise((120, 100), 60).convert("RGB")


@pytest.mark.parametrize("align_by", ALIGN)
def test_a_description_is_read_back(align_by):
    made = Preprocessing(align_by, 96)
    assert described(made.describe()) == made
    assert made.describe()["align"] == align_by
    assert made.describe()["image_size"] == 96


@pytest.mark.parametrize("align_by", ALIGN)
def test_without_a_size_it_is_the_peer_s(align_by):
    peers = 112 if align_by == "dlib5" else 96
    assert Preprocessing.of(align_by, None) == Preprocessing(align_by, peers)
    assert Preprocessing.of(align_by, 40) == Preprocessing(align_by, 40)


def test_without_alignment_it_is_the_central_square():
    square = Preprocessing("none", 40)(NOISE)
    np.testing.assert_array_equal(square.pixels, fit_square(NOISE, 40))
    assert square.face == FaceReport()


@pytest.mark.parametrize("found", [True, False])
def test_alignment_warps_by_the_landmarks(monkeypatch, found):
    points = np.random.default_rng(0).uniform(20, 80, (68, 2))
    face = Face(points, found, num_faces=int(found), box=(20, 20, 80, 80))
    monkeypatch.setattr(preprocessing, "find_face", lambda image: face)
    square = Preprocessing("dlib", 96)(NOISE)
    expected = align(NOISE, points, ALIGNMENTS["dlib"], 96)
    np.testing.assert_array_equal(square.pixels, expected)
    assert square.face.missing is not found


@pytest.mark.parametrize(("align_by", "size"), [("dlib6", 96), ("", 96), ("none", 0)])
def test_what_there_is_not_is_refused(align_by, size):
    with pytest.raises(InputError):
        Preprocessing(align_by, size)


def test_a_description_of_something_else_is_refused():
    other = Preprocessing("dlib", 96).describe() | {"landmarks": "another_model"}
    with pytest.raises(InputError, match="landmarks another_model; this version of"):
        described(other)
    with pytest.raises(InputError, match="a preprocessing without 'align' in it"):
        described({"image_size": 96})


def test_prepared_photos_are_left_as_they_are():
    description = Preprocessing("dlib", 32).describe()
    prepared = Prepared(description)
    photo = NOISE.resize((32, 32))
    np.testing.assert_array_equal(prepared(photo).pixels, np.array(photo))
    assert prepared.describe() == description
    with pytest.raises(InputError, match="120 x 100 pixels was not prepared"):
        prepared(NOISE)


@pytest.mark.parametrize("content", [None, b"cut short"])
def test_a_model_of_alignment_that_cannot_be_read_is_named(
    content, tmp_path, monkeypatch
):
    pytest.importorskip("dlib")
    (tmp_path / "models").mkdir()
    if content is not None:
        (tmp_path / f"models/{landmarks.MODEL}.dat").write_bytes(content)
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(landmarks.importlib.util, "find_spec", lambda name: spec)
    landmarks._load_predictor.cache_clear()
    with pytest.raises(InputError, match=r"landmarks\.dat cannot be read .*reinstall"):
        Preprocessing("dlib", 96)(NOISE)
    landmarks._load_predictor.cache_clear()


def test_what_is_missing_for_alignment_is_named(monkeypatch):
    monkeypatch.setattr(landmarks.importlib.util, "find_spec", lambda name: None)
    landmarks._load_predictor.cache_clear()
    with pytest.raises(InputError, match=r"pip install 'cl-facenet\[align\]'"):
        Preprocessing("dlib", 96)(NOISE)
    landmarks._load_predictor.cache_clear()
