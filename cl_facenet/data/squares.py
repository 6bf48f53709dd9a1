"""Photos made square on all cores, each kept in a file as soon as it is.

Finding faces in a large set takes minutes to hours: what was killed goes on from the
files that are there.
"""

import contextlib
import io
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cl_facenet.data.face_report import FACE, FaceReport
from cl_facenet.data.photos import Photo
from cl_facenet.data.preprocessing import Prepared, Preprocessing
from cl_facenet.errors import InputError, NotNowError
from cl_facenet.whole_files import write_whole

_IN_FLIGHT = 64


@dataclass(frozen=True)
class Encoded:
    """A square photo as PNG bytes, and what they say of the face on it."""

    png: bytes
    face: FaceReport

    @property
    def found(self) -> bool:
        """Whether a face was found, or none was sought."""
        return not self.face.missing


def make_squares(
    photos: Iterable[tuple[Photo, Path]], preprocessing: Preprocessing | Prepared
) -> Generator[Encoded | InputError, None, None]:
    """Yields each photo's square, in order, or why there is none.

    Each comes with the path of its PNG, which is written unless it is there; so none
    may be there but of this photo and this preprocessing.
    """
    pool = ThreadPoolExecutor()  # Pillow and dlib let go of the interpreter's lock
    pending: deque[Future[Encoded | InputError]] = deque()
    try:
        for photo, path in photos:
            pending.append(pool.submit(_make, photo, path, preprocessing))
            if len(pending) == _IN_FLIGHT:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _make(
    photo: Photo, path: Path, preprocessing: Preprocessing | Prepared
) -> Encoded | InputError:
    with contextlib.suppress(FileNotFoundError):
        png = path.read_bytes()
        with Image.open(io.BytesIO(png)) as image:
            return Encoded(png, FaceReport.of_info(image.info))
    try:
        square = preprocessing(photo.read())
    except NotNowError:
        raise
    except InputError as error:
        return error
    about = PngInfo()
    if text := square.face.to_text():
        about.add_text(FACE, text)
    buffer = io.BytesIO()
    # Level 1 takes half the time of the default and no more room on photos.
    Image.fromarray(square.pixels).save(buffer, "PNG", pnginfo=about, compress_level=1)
    _keep(path, buffer.getvalue())
    return Encoded(buffer.getvalue(), square.face)


def _keep(path: Path, content: bytes) -> None:
    # Another call that is through may clear the folder away at any moment. Then this
    # is not kept, and need not be: it would only be for a call that goes on.
    with contextlib.suppress(FileNotFoundError, FileExistsError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
