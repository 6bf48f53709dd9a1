"""Photos made square on all cores; what was made is not made again."""

import io
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cl_facenet.data.face_report import NO_FACE, FaceReport
from cl_facenet.data.photos import Photo, fit_square, open_photo
from cl_facenet.data.preprocessing import Preprocessing, Square
from cl_facenet.data.squares import make_squares
from cl_facenet.errors import InputError


def photos(number):
    pixels = np.random.default_rng(0).integers(0, 256, (number, 9, 9, 3), np.uint8)
    return [Photo("p", f"{i}", partial(open_photo, p)) for i, p in enumerate(pixels)]


class Blind(Preprocessing):
    """Finds a face in no photo that is dark in its upper left corner."""

    def __call__(self, image):
        pixels = fit_square(image, self.image_size)
        return Square(pixels, FaceReport() if pixels[0, 0, 0] >= 128 else NO_FACE)


BLIND = Blind("none", 6)


def run(own, folder, preprocessing=BLIND):
    paths = [folder / f"{photo.name}.png" for photo in own]
    return list(make_squares(zip(own, paths, strict=True), preprocessing))


def pixels_of(encoded):
    return np.array(Image.open(io.BytesIO(encoded.png)))


def test_squares_come_in_order_and_say_whether_a_face_was_found(tmp_path):
    own = photos(150)  # more than are in flight
    squares = run(own, tmp_path)
    for photo, square in zip(own, squares, strict=True):
        expected = fit_square(photo.read(), 6)
        np.testing.assert_array_equal(pixels_of(square), expected)
        assert square.found == (expected[0, 0, 0] >= 128)
    assert {square.found for square in squares} == {True, False}


def test_what_is_there_is_not_made_again(tmp_path):
    own = photos(8)
    first = run(own, tmp_path)

    def never():
        raise AssertionError("read again")

    again = run([Photo("p", photo.name, never) for photo in own], tmp_path)
    assert again == first
    assert len(list(tmp_path.iterdir())) == 8


def test_an_unreadable_photo_is_its_error_and_leaves_no_file(tmp_path):
    own = photos(2)
    bad = tmp_path / "bad.jpg"
    bad.write_text("hello")
    squares = run(
        [own[0], Photo("p", "bad", partial(open_photo, bad)), own[1]], tmp_path / "out"
    )
    assert isinstance(squares[1], InputError)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"0.png", "1.png"}


def test_faces_are_found_by_several_threads_at_once(tmp_path):
    pytest.importorskip("dlib")
    own = photos(3)
    squares = run(own, tmp_path, Preprocessing("dlib", 32))
    assert [square.found for square in squares] == [False] * 3
    assert {pixels_of(square).shape for square in squares} == {(32, 32, 3)}


def test_stopping_early_leaves_whole_files_only(tmp_path):
    own = photos(100)
    paths = [tmp_path / f"{photo.name}.png" for photo in own]
    squares = make_squares(zip(own, paths, strict=True), Blind("none", 6))
    next(squares)
    squares.close()
    for path in Path(tmp_path).iterdir():
        assert pixels_of_file(path).shape == (6, 6, 3)


def pixels_of_file(path):
    return np.array(Image.open(path))
