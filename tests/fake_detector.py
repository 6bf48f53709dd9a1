"""A detector for tests: what it finds in a photo, the photo's width says."""

import numpy as np
import pytest
from PIL import Image

from cl_facenet.data import preprocessing
from cl_facenet.data.align import openface_template
from cl_facenet.data.landmarks import Face

NO_FACE, ONE_FACE, TWO_FACES, CUT_FACE = 70, 60, 80, 90  # widths in pixels
BOX, CUT_BOX = (10, 10, 50, 50), (-30, -30, 10, 10)  # what `align=dlib` cuts out


def find_face(image):
    """Landmarks in a box of 40 pixels; of a photo with a cut face mostly outside."""
    box = CUT_BOX if image.width == CUT_FACE else BOX
    points = np.zeros((68, 2))
    points[[36, 45, 33]] = box[0] + openface_template(40) - 0.5
    num_faces = {NO_FACE: 0, TWO_FACES: 2}.get(image.width, 1)
    return Face(points, num_faces > 0, num_faces, box)


def photo(width, seed=0):
    """A photo of noise, in which the detector finds what the width says."""
    pixels = np.random.default_rng([width, seed]).integers(0, 256, (60, width, 3))
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture
def fake_detector(monkeypatch):
    """Takes the place of dlib's, in this process."""
    monkeypatch.setattr(preprocessing, "find_face", find_face)
