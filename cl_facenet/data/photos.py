"""One photo from anywhere, upright and RGB: numpy and Pillow only."""

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TypeAlias

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from cl_facenet.data.image_files import HEIF, RAW, format_of
from cl_facenet.errors import InputError, NotNowError
from cl_facenet.paths import local_path

PhotoLike: TypeAlias = str | os.PathLike[str] | Image.Image | np.ndarray

# What cameras and the web have, whatever a file's ending says, and HEIF by the extra
# `heif`. Pillow knows more: of some it starts a program (Ghostscript for EPS) that no
# photo should start.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")

# What the system says of a photo's file; all else it says of itself. Decoders, which
# find damage, have no number, but for a place in the file that there cannot be.
_OF_THE_FILE = {
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG),
    *(errno.EACCES, errno.EPERM, errno.ENXIO, errno.EINVAL, errno.EOVERFLOW),
}

# Pillow's warnings are errors where the user says so, and mean no damage even then.
_NOT_THE_PHOTOS = (MemoryError, Warning)
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)

# What turns a photo upright, by its EXIF orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Photo:
    """One photo of one person; `read` decodes it, upright and RGB, when called.

    `known_as` tells its file from another of the same name, where it is a file.
    """

    person: str
    name: str
    read: Callable[[], Image.Image]
    known_as: str = ""


@dataclass(frozen=True)
class Source:
    """A set of photos, sorted by person and then by name in natural order.

    `fingerprint` is a hex digest of everything that decides the pixels; `ignored` are
    names of what was passed over. Files of one name, size and time may differ still:
    `content` is a hex digest of some bytes of each, where there are files.
    """

    name: str
    photos: Sequence[Photo]
    fingerprint: str
    ignored: Sequence[str] = ()
    content: str = ""


def reads_heif() -> bool:
    """Whether the extra `heif` is installed."""
    return find_spec("pillow_heif") is not None


def open_photo(photo: PhotoLike) -> Image.Image:
    """Decode a photo fully: RGB, upright (EXIF orientation applied).

    Grey becomes three equal channels, 16-bit grey keeps its high byte, transparent
    pixels lie on white as a viewer shows them, an animation gives its first frame.
    A file's format is told by its content, and damaged EXIF is ignored.

    Args:
        photo: a path, a Pillow image (left as it is), or a uint8 array [H, W],
            [H, W, 1] or [H, W, 3].

    Raises:
        InputError: unreadable, truncated or oversized file, of another format than
            FORMATS (and HEIF, where its extra is installed) or no file at all; or
            another array.
        NotNowError: the system does not let it be read now.
        Warning: Pillow has one, and the user's filters make it an error.
    """
    if isinstance(photo, Image.Image):
        return _decode(photo, str(getattr(photo, "filename", "") or "photo"))
    if not isinstance(photo, str | os.PathLike):  # NumPy's text is an array, too
        if hasattr(photo, "__array__") and not isinstance(photo, bytes):
            return _from_array(np.asarray(photo))
        kind = type(photo).__name__
        raise InputError(f"a {kind}: give a path, a Pillow image or a uint8 array")
    name = os.fsdecode(photo)
    if not os.path.isfile(name):  # to open a pipe would be to wait for its other end
        local_path(name)  # says so if it is a URL
        raise InputError(f"{name}: no photo file there; check the path")
    try:
        with _opened(name) as image:
            return _decode(image, name)
    except _BOMBS as error:
        raise InputError(f"{name}: {error}; scale the photo down") from error
    except (InputError, *_NOT_THE_PHOTOS):
        raise
    except Exception as error:
        raise _unreadable(name, error) from error


def fit_square(image: Image.Image, size: int) -> np.ndarray:
    """Crop the central square, resize it (antialiased bicubic): uint8 [size, size, 3].

    Args:
        image: an RGB image of any size, as `open_photo` gives it.
    """
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return np.array(square.resize((size, size), Image.Resampling.BICUBIC))


def _opened(name: str) -> Image.Image:
    with open(name, "rb") as file:
        form = format_of(file, name)
    if form == RAW:
        raise InputError(f"{name}: {RAW}; give the photo as a JPEG")
    if form != HEIF:
        return Image.open(name, formats=FORMATS)
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise InputError(
            f"{name}: HEIC photos need pillow-heif: pip install 'cl-facenet[heif]'"
        ) from error
    return HeifImageFile(name)


def _from_array(array: np.ndarray) -> Image.Image:
    channels = array.shape[2:]
    if array.dtype != np.uint8 or array.ndim < 2 or channels not in ((), (1,), (3,)):
        raise InputError(
            f"photo array {array.dtype}{list(array.shape)}: give uint8 [H, W], "
            "[H, W, 1] or [H, W, 3]"
        )
    if array.size == 0:
        raise InputError(f"photo array {list(array.shape)}: it has no pixels")
    grey = array[..., 0] if channels == (1,) else array
    return Image.fromarray(np.ascontiguousarray(grey)).convert("RGB")


def _decode(image: Image.Image, name: str) -> Image.Image:
    if 0 in image.size:
        raise InputError(f"{name}: it has no pixels; remove it")
    limit = Image.MAX_IMAGE_PIXELS  # Pillow refuses twice as many only
    if limit is not None and image.width * image.height > limit:
        raise InputError(
            f"{name}: {image.width} x {image.height} pixels are over the limit of "
            f"{limit}; scale the photo down"
        )
    # Damaged files make Pillow's decoders raise far more than OSError.
    try:
        image.load()
        turn = _turn(image)
        return _to_rgb(image if turn is None else image.transpose(turn))
    except _NOT_THE_PHOTOS:
        raise
    except Exception as error:
        raise _unreadable(name, error) from error


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What turns it upright; ImageOps.exif_transpose fails where EXIF is damaged."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except _NOT_THE_PHOTOS:
        raise
    except Exception:
        return None


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("floating-point pixels")
    if image.mode.startswith("I"):
        # convert() would clip 16 bits to 255 and leave the photo white.
        return Image.fromarray(_high_byte(np.asarray(image))).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    cutout = image.convert("RGBA")
    paper = Image.new("RGBA", cutout.size, "white")
    return Image.alpha_composite(paper, cutout).convert("RGB")


def _high_byte(grey: np.ndarray) -> np.ndarray:
    if grey.min() < 0 or grey.max() > 65535:
        raise ValueError("more than 16 bits a pixel")
    return (grey.astype(np.int64) >> 8).astype(np.uint8)


def _unreadable(name: str, error: Exception) -> InputError:
    number = error.errno if isinstance(error, OSError) else None
    if number is not None and number > 0 and number not in _OF_THE_FILE:
        return NotNowError(
            f"{name}: cannot be read now ({os.strerror(number)}), perhaps not by its "
            "fault: mend that and run again, or move it elsewhere"
        )
    reason = getattr(error, "strerror", None) or " ".join(str(error).split())
    if isinstance(error, UnidentifiedImageError):
        reason = f"none of {', '.join(FORMATS)}"
    reason = reason or type(error).__name__
    return InputError(f"{name}: unreadable photo ({reason}); mend or remove it")
