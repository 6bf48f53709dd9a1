import errno
import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from cl_facenet.data import photos
from cl_facenet.data.photos import Photo, fit_square, open_photo
from cl_facenet.data.preprocessing import Preprocessing
from cl_facenet.data.squares import make_squares
from cl_facenet.errors import InputError, NotNowError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def two_halves(top, bottom, size=(8, 6)):
    image = Image.new("RGB", size, bottom)
    image.paste(top, (0, 0, size[0], size[1] // 2))
    return image


def test_a_path_gives_the_stored_pixels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
        image = open_photo(path)
        assert image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("kind", [np.str_, Path, str])
def test_a_path_may_be_text_of_any_kind(kind, tmp_path):
    """NumPy's is what the file of `cl-facenet embed` has names in."""
    path = str(tmp_path / "a photo.png")
    Image.new("RGB", (8, 9)).save(path)
    assert open_photo(kind(path)).size == (8, 9)
    os.remove(path)
    with pytest.raises(InputError, match=r"a photo\.png: no photo file there"):
        open_photo(kind(path))
    for content in (b"a photo", np.bytes_(b"a photo")):  # of a file, or its name?
        with pytest.raises(InputError, match=r"a bytes_?: give a path, a Pillow image"):
            open_photo(content)


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it turned 90 degrees clockwise
    two_halves(RED, BLUE).save(tmp_path / "a.jpg", exif=exif, quality=95)
    image = open_photo(tmp_path / "a.jpg")
    assert image.size == (6, 8)
    left, right = np.asarray(image, int)[4, [0, 5]]
    assert left[2] > 200 > 60 > left[0]
    assert right[0] > 200 > 60 > right[2]


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1)])
def test_grey_arrays_become_three_equal_channels(shape):
    grey = np.arange(6, dtype=np.uint8).reshape(shape)
    pixels = np.asarray(open_photo(grey))
    expected = np.broadcast_to(grey.reshape(2, 3, 1), (2, 3, 3))
    np.testing.assert_array_equal(pixels, expected)


def test_colour_arrays_keep_their_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        np.asarray(open_photo(pixels[:, ::-1])), pixels[:, ::-1]
    )


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(array):
    with pytest.raises(InputError, match="photo array"):
        open_photo(array)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
def test_transparent_pixels_lie_on_white(tmp_path, mode):
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 2, 4))
    if mode == "P":
        image = image.quantize(4)
        image.save(tmp_path / "a.png")
        photo = tmp_path / "a.png"
    else:
        photo = image.convert(mode)
    pixels = np.asarray(open_photo(photo))
    assert (pixels[:, :2] == 0).all()
    assert (pixels[:, 2:] == 255).all()


def test_cmyk_and_palette_photos_are_rgb():
    red = Image.new("RGB", (2, 2), RED)
    for mode in ("CMYK", "P", "1", "L", "YCbCr"):
        assert open_photo(red.convert(mode)).mode == "RGB"
    np.testing.assert_array_equal(np.asarray(open_photo(red.convert("P")))[0, 0], RED)


def test_16_bit_grey_keeps_its_high_byte(tmp_path):
    grey = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    Image.fromarray(grey).save(tmp_path / "a.png")
    pixels = np.asarray(open_photo(tmp_path / "a.png"))
    np.testing.assert_array_equal(pixels[0, :, 0], [0, 0, 1, 128, 255])


def test_animations_give_their_first_frame(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in (GREEN, BLUE)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert open_photo(tmp_path / "a.gif").getpixel((0, 0)) == GREEN


def test_a_given_image_is_left_as_it_is():
    image = two_halves(RED, BLUE)
    before = image.tobytes()
    open_photo(image).paste(GREEN, (0, 0, 8, 6))
    assert image.tobytes() == before


def test_missing_and_foreign_files_are_named(tmp_path):
    (tmp_path / "text.jpg").write_text("no photo")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    for name in ("text.jpg", "empty.jpg", "folder.jpg", "missing.jpg"):
        with pytest.raises(InputError, match=name) as caught:
            open_photo(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tif", "gif", "ppm"])
def test_truncated_files_are_unreadable(tmp_path, suffix):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path)
    whole = path.read_bytes()
    assert open_photo(path).size == (64, 64)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=rf"a\.{suffix}: unreadable photo"):
        open_photo(path)


def test_a_truncated_image_object_is_unreadable(tmp_path):
    file = io.BytesIO()
    Image.new("RGB", (64, 64), RED).save(file, "BMP")
    image = Image.open(io.BytesIO(file.getvalue()[:-100]))
    with pytest.raises(InputError, match="photo: unreadable photo"):
        open_photo(image)


def png_header(width, height):
    """A PNG file that claims a size and has no pixels."""
    chunks = b""
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    for kind, data in ((b"IHDR", size), (b"IDAT", b""), (b"IEND", b"")):
        chunks += struct.pack(">I", len(data)) + kind + data
        chunks += struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("side", [10_000, 60_000])
def test_decompression_bombs_are_refused(tmp_path, side):
    # Pillow warns about the smaller and refuses the larger.
    (tmp_path / "bomb.png").write_bytes(png_header(side, side))
    with pytest.raises(InputError, match=r"bomb\.png"):
        open_photo(tmp_path / "bomb.png")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_decompression_bombs_are_refused_where_warnings_are_not_errors(tmp_path):
    (tmp_path / "bomb.png").write_bytes(png_header(10_000, 10_000))
    with pytest.raises(InputError, match="10000 x 10000 pixels are over the limit"):
        open_photo(tmp_path / "bomb.png")


@pytest.fixture
def remarked(tmp_path):
    """A photo that Pillow warns about and reads: a part of its EXIF is cut off."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, 3 * "maker of cameras"
    image = two_halves(RED, BLUE)
    image.save(tmp_path / "a.jpg", exif=exif.tobytes()[:-40])
    return tmp_path / "a.jpg"


def test_a_warning_of_pillow_s_goes_where_the_user_s_filters_send_it(remarked):
    before = list(warnings.filters)
    with pytest.warns(UserWarning, match="Tag data larger than file"):
        assert open_photo(remarked).size == (6, 8)
    assert warnings.filters == before


def test_a_warning_that_the_user_made_an_error_is_no_damage(remarked):
    with pytest.raises(UserWarning, match="Tag data larger than file"):
        open_photo(remarked)


def test_where_memory_runs_out_the_photo_is_not_to_blame(tmp_path, monkeypatch):
    def load(_):
        raise MemoryError

    two_halves(RED, BLUE).save(tmp_path / "a.bmp")
    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with pytest.raises(MemoryError):
        open_photo(tmp_path / "a.bmp")


@pytest.mark.parametrize(
    "number", [errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENOTCONN]
)
def test_a_system_in_trouble_is_not_the_photo_s_fault(tmp_path, monkeypatch, number):
    """Nor is it one that may be left out as unreadable."""
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(photos, "_opened", fail)
    with pytest.raises(NotNowError, match=r"a\.png: cannot be read now"):
        open_photo(tmp_path / "a.png")
    photo = Photo("ann", "a.png", partial(open_photo, tmp_path / "a.png"))
    made = make_squares([(photo, tmp_path / "squares/0.png")], Preprocessing("none", 8))
    with pytest.raises(NotNowError), closing(made):
        list(made)


def test_fit_square_takes_the_centre():
    image = Image.new("RGB", (30, 10), WHITE)
    image.paste(RED, (10, 0, 20, 10))
    for whole in (image, image.transpose(Image.Transpose.ROTATE_90)):
        pixels = fit_square(whole, 10)
        assert pixels.shape == (10, 10, 3)
        assert pixels.dtype == np.uint8
        assert (pixels == RED).all()


def test_fit_square_does_not_resample_a_photo_of_the_right_size():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    np.testing.assert_array_equal(fit_square(Image.fromarray(pixels), 9), pixels)


def test_fit_square_antialiases():
    # One-pixel stripes: picking pixels would give black or white, averaging grey.
    stripes = np.zeros((96, 96, 3), np.uint8)
    stripes[:, ::2] = 255
    pixels = fit_square(Image.fromarray(stripes), 12)
    assert abs(pixels.astype(int) - 127).max() < 10


def test_photos_load_without_the_data_stack():
    code = (
        "import sys, cl_facenet.data.photos;"
        "heavy = {'grain', 'tensorflow_datasets', 'orbax', 'matplotlib', 'jax'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_an_image_without_pixels_is_refused():
    with pytest.raises(InputError, match="no pixels"):
        open_photo(Image.new("RGB", (0, 5)))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(InputError, match=r"pipe\.jpg: no photo file there"):
        open_photo(tmp_path / "pipe.jpg")


def test_other_formats_are_said_to_be_none_of_ours(tmp_path):
    red = Image.new("RGB", (8, 8), RED)
    red.save(tmp_path / "a.pcx")
    red.save(tmp_path / "a.avif")
    with pytest.raises(InputError, match=r"a\.pcx: unreadable photo \(none of AVIF, B"):
        open_photo(tmp_path / "a.pcx")
    assert open_photo(tmp_path / "a.avif").size == (8, 8)


@pytest.mark.parametrize("turned", [False, True])
def test_heic_photos_are_read(tmp_path, turned):
    pillow_heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = 6 if turned else 1
    photo = pillow_heif.from_pillow(two_halves(RED, BLUE, size=(64, 48)))
    photo.save(tmp_path / "a.jpg", quality=95, exif=exif.tobytes())
    pixels = np.asarray(open_photo(tmp_path / "a.jpg"), int)
    assert pixels.shape == ((64, 48, 3) if turned else (48, 64, 3))
    red, blue = pixels[5, 43 if turned else 5], pixels[43, 5]
    assert red[0] > 200 > 60 > red[2]
    assert blue[2] > 200 > 60 > blue[0]
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"a\.jpg: unreadable photo"):
        open_photo(tmp_path / "a.jpg")


def test_without_its_extra_a_heic_photo_says_which(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(
        InputError, match=r"a\.heic: .*pip install 'cl-facenet\[heif\]'"
    ):
        open_photo(tmp_path / "a.heic")


def test_a_camera_s_raw_file_is_not_read_as_its_preview(tmp_path):
    preview = Image.new("RGB", (16, 12), RED)
    preview.save(tmp_path / "a.tif", tiffinfo={254: 1})
    preview.save(tmp_path / "a.nef", "TIFF")
    for name in ("a.tif", "a.nef"):
        with pytest.raises(InputError, match=r"preview only; give the photo as a JPEG"):
            open_photo(tmp_path / name)
