"""Faces go where the template has them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cl_facenet.data.align import (
    ALIGNMENTS,
    affine,
    align,
    arcface_template,
    fraction_inside,
    head_template,
    openface_template,
    similarity,
)

coordinates = st.floats(-100, 100)


def mapped(transform, points):
    return points @ transform[:, :2].T + transform[:, 2]


def test_templates_are_those_of_the_papers_code():
    # OpenFace's align_dlib.py and InsightFace's face_align.py, whose whole numbers are
    # the middles of pixels; here they are half a pixel in.
    np.testing.assert_allclose(
        openface_template(96) - 0.5,
        [[18.6391, 16.2496], [75.7305, 15.1844], [47.5153, 49.3863]],
        atol=1e-4,
    )
    at_112 = arcface_template(112) - 0.5
    np.testing.assert_allclose(at_112[2], [56.0252, 71.7366])
    np.testing.assert_allclose(arcface_template(224) - 0.5, 2 * at_112)
    np.testing.assert_allclose(arcface_template(128) - 0.5, at_112 + np.array([8, 0]))
    np.testing.assert_allclose(arcface_template(96) - 0.5, at_112 * 96 / 112)


@pytest.mark.parametrize("size", [96, 112, 128])
def test_a_head_is_a_face_seen_from_farther_off(size):
    face, head = arcface_template(112) * size / 112, head_template(size)
    np.testing.assert_allclose(
        similarity(face, head)[:, :2], 0.75 * np.eye(2), atol=1e-9
    )
    eyes, chin = head[:2, 1].mean(), head[3:, 1].mean() + (head[3, 1] - head[2, 1])
    assert eyes > 0.45 * size  # as much as there is of hair above them
    assert chin < 0.95 * size


@given(st.lists(coordinates, min_size=6, max_size=6))
def test_an_affine_map_takes_three_points_exactly(numbers):
    transform = np.reshape(numbers, (2, 3))
    points = np.array([[0, 0], [60, 5], [25, 40]])
    found = affine(points, mapped(transform, points))
    np.testing.assert_allclose(found, transform, atol=1e-9)


@given(angle=st.floats(-3, 3), scale=st.floats(0.1, 10), x=coordinates, y=coordinates)
def test_a_similarity_is_found_again(angle, scale, x, y):
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    transform = np.array([[cos, -sin, x], [sin, cos, y]])
    points = arcface_template(112)
    found = similarity(points, mapped(transform, points))
    np.testing.assert_allclose(found, transform, atol=1e-8)


def test_a_similarity_is_the_nearest_one():
    """No other turn, scale or shift is nearer in squares: Umeyama's criterion."""
    rng = np.random.default_rng(0)
    points = arcface_template(112)
    targets = points + rng.normal(0, 5, points.shape)
    best = similarity(points, targets)
    error = np.square(mapped(best, points) - targets).sum()
    for _ in range(200):
        a, b, x, y = rng.normal(0, 0.01, 4)
        other = best + np.array([[a, -b, x], [b, a, y]])
        assert np.square(mapped(other, points) - targets).sum() > error


def spot(place, size, width):
    """A photo that is bright around a place and black elsewhere."""
    x, y = (np.arange(side) + 0.5 - at for side, at in zip(size, place, strict=True))
    bright = 255 * np.exp(-(x**2 + y[:, None] ** 2) / (2 * width**2))
    return Image.fromarray(np.rint(bright).astype(np.uint8)).convert("RGB")


def middle_of(bright):
    """The centroid of what is bright; (0, 0) is the upper left corner."""
    weights = bright.astype(float)
    rows, columns = np.indices(bright.shape) + 0.5
    return np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()


@pytest.mark.parametrize("name", ALIGNMENTS)
@pytest.mark.parametrize("zoom", [0.6, 2.0, 9.0])  # the last is shrunk first
def test_landmarks_land_on_the_template(name, zoom):
    alignment, size = ALIGNMENTS[name], 112
    turn = zoom * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    places = alignment.template(size) @ turn.T + zoom * np.array([90, 30])
    points = np.zeros((68, 2))
    for group, place in zip(alignment.landmarks, places, strict=True):
        points[list(group)] = place
    for place, target in zip(places, alignment.template(size), strict=True):
        photo = spot(place, (int(240 * zoom), int(260 * zoom)), width=3 * zoom)
        aligned = align(photo, points, alignment, size)
        assert aligned.shape == (size, size, 3)
        assert aligned.dtype == np.uint8
        np.testing.assert_allclose(middle_of(aligned[..., 0]), target, atol=0.05)


def test_what_lies_outside_the_photo_is_black():
    points = np.zeros((68, 2))
    points[[36, 45, 33]] = openface_template(96) - [60, 0]
    white = Image.new("RGB", (96, 96), "white")
    aligned = align(white, points, ALIGNMENTS["dlib"], 96)
    assert (aligned[5:90, :58] == 0).all()
    assert (aligned[5:90, 62:90] == 255).all()


def test_a_large_photo_is_averaged_not_picked_from():
    stripes = np.zeros((960, 960, 3), np.uint8)
    stripes[:, ::2] = 255
    points = np.zeros((68, 2))
    points[[36, 45, 33]] = 10 * openface_template(96)
    aligned = align(Image.fromarray(stripes), points, ALIGNMENTS["dlib"], 96)
    assert abs(aligned[10:-10, 10:-10].astype(int) - 127).max() < 12


@pytest.mark.parametrize(
    ("shift", "inside"),
    [
        ((0, 0), 1),
        ((-48, 0), 1 / 2),
        ((0, 72), 1 / 4),
        ((48, -48), 1 / 4),
        ((0, 99), 0),
    ],
)
def test_how_much_of_a_crop_is_inside_its_photo(shift, inside):
    """By geometry: a photo that is black where the crop lies is no less inside."""
    points = np.zeros((68, 2))
    points[[36, 45, 33]] = openface_template(96) - 0.5 + np.array(shift)
    found = fraction_inside((96, 96), points, ALIGNMENTS["dlib"], 96)
    assert found == pytest.approx(inside, abs=0.02)
    large = fraction_inside((960, 960), 10 * points, ALIGNMENTS["dlib"], 96)
    assert large == pytest.approx(inside, abs=0.02)
    white = Image.new("RGB", (96, 96), "white")
    pixels = align(white, points, ALIGNMENTS["dlib"], 96)
    assert found == pytest.approx((pixels > 0).mean(), abs=0.02)
