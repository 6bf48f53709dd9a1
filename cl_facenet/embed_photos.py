"""Photos in files to vectors, with what went wrong by the photos' names."""

import io
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cl_facenet.data.face_report import (
    FaceReport,
    OnMissingFace,
    check_on_missing_face,
)
from cl_facenet.data.folder import gallery_photos, photos_below, read_prepared_as
from cl_facenet.data.photos import Photo
from cl_facenet.data.preprocessing import Prepared, Preprocessing, Square
from cl_facenet.embedder import BATCH_SIZE, Embedder, declined
from cl_facenet.errors import InputError, NotNowError
from cl_facenet.progress import bar

CHUNK = 4 * BATCH_SIZE  # photos in memory at a time


@dataclass
class Embedded:
    """Photos that were read.

    Attributes:
      names: of the photos [N].
      vectors: float32 [N, D], each row of length 1, or NaN where no face was found.
      faces: what was known of the faces of each [N].
      unreadable: names of others, that are not among the [N].
      passed_over: names of what is no photo.
      thumbnails: JPEG files of the squares that were embedded [N], if they are wanted.
    """

    names: list[str] = field(default_factory=list)
    vectors: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    faces: list[FaceReport] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    thumbnails: list[bytes] = field(default_factory=list)

    @property
    def no_face(self) -> list[str]:
        """Names of those in which no face was found, where one was sought."""
        return [name for name, face in self.named_faces() if face.missing]

    @property
    def has_vector(self) -> np.ndarray:
        """Bool [N]: which rows are not NaN."""
        return ~np.isnan(self.vectors).any(1)

    def named_faces(self) -> Iterator[tuple[str, FaceReport]]:
        """Yields each photo's name with its report."""
        return zip(self.names, self.faces, strict=True)


def embed_folder(
    embedder: Embedder,
    folder: Path,
    *,
    skip_unreadable: bool,
    on_missing_face: OnMissingFace = "decline",
    with_thumbnails: bool = False,
    by_identity: bool = False,
) -> Embedded:
    """All photos below a folder, named by their paths in it.

    Those that a preprocessing.json in it says were made square before stay as they are.

    Args:
      by_identity: it is a gallery, with a sub-folder a person or photos named by them.

    Raises:
      InputError: no photos, none that can be read, an unreadable one, photos that
        were prepared in another way than those the model was trained on, or a gallery
        that plainly is something else.
    """
    below = gallery_photos(folder) if by_identity else photos_below(folder)
    embedded = embed_photos(
        embedder,
        below.photos,
        prepared_as=read_prepared_as(folder),
        skip_unreadable=skip_unreadable,
        on_missing_face=on_missing_face,
        hint="; --skip-unreadable leaves such out",
        with_thumbnails=with_thumbnails,
    )
    return replace(embedded, passed_over=below.passed_over)


def embed_photos(
    embedder: Embedder,
    photos: Sequence[Photo],
    *,
    prepared_as: Mapping[str, Any] | None = None,
    skip_unreadable: bool = False,
    on_missing_face: OnMissingFace = "decline",
    hint: str = "",
    with_thumbnails: bool = False,
) -> Embedded:
    """Photos, some at a time.

    Args:
      prepared_as: how the photos were made square before, if they were.
      on_missing_face: "assume" embeds the middle of a photo without a face.
      hint: what to say behind the error of an unreadable one.

    Raises:
      InputError: as `embed_folder`.
      UsageError: another on_missing_face.
    """
    check_on_missing_face(on_missing_face)
    make_square: Preprocessing | Prepared = embedder.preprocessing
    if prepared_as is not None:
        embedder.check_prepared(prepared_as)
        make_square = Prepared(prepared_as)
    embedded, vectors = Embedded(), []
    squares: list[np.ndarray] = []
    how = embedder.preprocessing.describe()
    made = zip(photos, _squares(photos, make_square), strict=True)
    for photo, square in bar(made, "Embedding photos", len(photos)):
        if isinstance(square, InputError):
            if not skip_unreadable:
                raise InputError(f"{square}{hint}")
            embedded.unreadable.append(photo.name)
            continue
        embedded.names.append(photo.name)
        embedded.faces.append(square.face)
        if with_thumbnails:
            embedded.thumbnails.append(_jpeg(square.pixels))
        squares.append(square.pixels)
        if len(squares) == CHUNK:
            vectors.append(embedder(np.stack(squares), prepared_as=how))
            squares.clear()
    if squares:
        vectors.append(embedder(np.stack(squares), prepared_as=how))
    if not vectors:
        raise InputError(f"none of {len(photos)} photos can be read")
    embedded.vectors = declined(
        np.concatenate(vectors), embedded.faces, on_missing_face
    )
    return embedded


def _squares(
    photos: Sequence[Photo], make_square: Preprocessing | Prepared
) -> Iterator[Square | InputError]:
    """Each photo's square, in order, or why there is none."""

    def read(photo: Photo) -> Square | InputError:
        try:
            return make_square(photo.read())
        except NotNowError:
            raise
        except InputError as error:
            return error

    # Pillow and dlib let go of the interpreter's lock.
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(photos), CHUNK):
            yield from pool.map(read, photos[start : start + CHUNK])


def _jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
