"""The trained network with its head dropped: photos in, vectors out."""

import math
import os
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from PIL import Image

from cl_facenet.compiling import jit
from cl_facenet.data.face_report import (
    FaceReport,
    OnMissingFace,
    check_on_missing_face,
    doubts,
)
from cl_facenet.data.photos import PhotoLike, open_photo
from cl_facenet.data.preprocessing import Prepared, Preprocessing, Square, check_same
from cl_facenet.errors import InputError, printable
from cl_facenet.evaluation.calibration import Calibration
from cl_facenet.forks import check_not_forked
from cl_facenet.model_card import ModelCard
from cl_facenet.model_folder import DTYPES, SavedModel, write_model
from cl_facenet.models.facenet import FaceNet, unit_range
from cl_facenet.paths import local_path
from cl_facenet.verdict import Verdict

BATCH_SIZE = 64

Variables = dict[str, Any]


@dataclass(frozen=True)
class Embeddings:
    """Vectors of photos, and what was known of the photos' faces.

    Attributes:
      vectors: float32 [N, D], each row of length 1, or NaN where no face was found.
      faces: of each photo [N].
    """

    vectors: np.ndarray
    faces: list[FaceReport]


class Embedder:
    """Turns photos into unit vectors.

    Threads may share one. It can be pickled, for processes that were spawned; those
    forked from one that runs JAX are refused, as JAX cannot go on in them.

    Attributes:
      apply: pure function (params, images [N, S, S, 3]) -> float32 [N, D], of uint8
        images or of floats in [0, 1]; for jax.jit, grad and vmap.
      params: its first argument, {"params": ..., "batch_stats": ...}, head dropped.
      preprocessing: how photos are made square (aligned, or cropped), as the photos
        were that the model was trained on.
      card: the architecture, what it was trained on, how good it is; None if it was
        made by hand.
    """

    def __init__(
        self,
        model: FaceNet,
        params: Variables,
        preprocessing: Preprocessing,
        card: ModelCard | None = None,
    ) -> None:
        self.apply = make_embed(model)
        self.params = params
        self.preprocessing = preprocessing
        self.card = card
        self._model = model
        # Nothing here starts JAX: whoever unpickles may be a process that it fails in.
        self._program: Callable[[Variables, np.ndarray], jax.Array] | None = None
        self._starting = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        check_not_forked()
        variables = jax.device_get(self.params)
        return type(self), (self._model, variables, self.preprocessing, self.card)

    def __call__(
        self,
        photos: np.ndarray | Sequence[PhotoLike],
        *,
        prepared_as: Mapping[str, Any] | None = None,
        on_missing_face: OnMissingFace = "decline",
    ) -> np.ndarray:
        """Photos -> float32 [N, D], each row of length 1.

        Photos are a uint8 array [N, H, W, 3] or a list of paths, Pillow images and
        uint8 arrays of any sizes; each is made square by `preprocessing`. A photo in
        which that finds no face gets a row of NaN, and a MissingFaceWarning names it; a
        FaceWarning names photos with several faces, and crops largely outside of
        theirs. `embed` says all of that without warnings.

        Args:
          prepared_as: the description of the preprocessing that all photos have gone
            through before, in the metadata of records or the preprocessing.json that
            `cl-facenet align` writes; they are taken as they are. Crops in files say
            whether a face was found, arrays do not: of records it is in the metadata.
          on_missing_face: "assume" embeds the middle of a photo without a face, where
            Labeled Faces in the Wild has it, as its protocol needs.

        Raises:
          InputError: one photo that is not in a list, one that cannot be read, photos
            prepared in another way than those the model was trained on, or a process
            that was forked from one that ran JAX.
          UsageError: another on_missing_face.
        """
        embeddings = self.embed(
            photos, prepared_as=prepared_as, on_missing_face=on_missing_face
        )
        if any(face.notes() for face in embeddings.faces):
            names = [_name(photo, place) for place, photo in enumerate(photos)]
            for warning in doubts(names, embeddings.faces, on_missing_face):
                warnings.warn(warning, stacklevel=2)
        return embeddings.vectors

    def embed(
        self,
        photos: np.ndarray | Sequence[PhotoLike],
        *,
        prepared_as: Mapping[str, Any] | None = None,
        on_missing_face: OnMissingFace = "decline",
    ) -> Embeddings:
        """What the call gives, and what was known of each photo's faces.

        Arguments and errors are those of the call.
        """
        check_not_forked()
        check_on_missing_face(on_missing_face)
        photos = _listed(photos)
        make_square: Preprocessing | Prepared = self.preprocessing
        if prepared_as is not None:
            self.check_prepared(prepared_as)
            make_square = Prepared(prepared_as)
        if not len(photos):
            return Embeddings(np.zeros((0, self._model.embedding_size), np.float32), [])
        rows, faces = [], []
        # Nobody waits for a batch: the photos of the next are decoded meanwhile.
        for start in range(0, len(photos), BATCH_SIZE):
            pixels, known = _squares(photos[start : start + BATCH_SIZE], make_square)
            rows.append(self._embed_batch(pixels))
            faces += known
        # Only behind the last batch there is room for more: the others are full.
        vectors = np.concatenate([np.asarray(row) for row in rows])[: len(photos)]
        return Embeddings(declined(vectors, faces, on_missing_face), faces)

    def check_prepared(self, prepared_as: Mapping[str, Any]) -> None:
        """Refuses photos that were prepared in another way than the model wants them.

        Raises:
          InputError: so they were; both ways are named.
        """
        check_same(prepared_as, self.preprocessing.describe())

    def _embed_batch(self, images: np.ndarray) -> jax.Array:
        """Vectors of images [B, S, S, 3], and of more that are nobody's.

        Padded to a power of two, so that few sizes are ever compiled.
        """
        room = 1 << (len(images) - 1).bit_length()
        padded = np.zeros((room, *images.shape[1:]), images.dtype)
        padded[: len(images)] = images
        return self._started()(self.params, padded)

    def _started(self) -> Callable[[Variables, np.ndarray], jax.Array]:
        """The program, one for all threads; the first call puts `params` in place."""
        with self._starting:
            if self._program is None:
                self.params = jax.device_put(self.params)
                self._program = jit(make_embed(self._model))
            return self._program

    def distance(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Squared Euclidean distance of unit vectors [..., D], from 0 to 4.

        NaN where one of them is of a photo without a face.
        """
        return np.sum(np.square(np.subtract(a, b)), -1)

    def verify(
        self,
        a: PhotoLike,
        b: PhotoLike,
        *,
        false_accept_rate: float = 0.01,
        on_missing_face: OnMissingFace = "decline",
    ) -> Verdict:
        """Whether two photos show the same person; no verdict without two faces.

        Args:
          a, b: paths, Pillow images or uint8 arrays [H, W, 3].
          false_accept_rate: the share of pairs of different people that may be called
            the same; one that `calibration` has a threshold for.
          on_missing_face: "assume" judges the middle of a photo without a face.

        Raises:
          InputError: a photo cannot be read, or no threshold is known for the rate.
          UsageError: another on_missing_face.
        """
        pair = self.embed([a, b], on_missing_face=on_missing_face)
        distance = float(self.distance(*pair.vectors))
        first, second = pair.faces
        return replace(self.judge(distance, false_accept_rate), faces=(first, second))

    def judge(self, distance: float, false_accept_rate: float) -> Verdict:
        """What `verify` says of two photos at a distance; nothing at one of NaN.

        Raises:
          InputError: no threshold is known for the rate.
        """
        threshold = self.calibration.at(false_accept_rate)
        known = not math.isnan(distance)
        return Verdict(
            distance < threshold.threshold if known else None,
            distance if known else None,
            threshold.threshold,
            threshold.false_accept_rate,
            self.calibration.calibrated_on,
        )

    @property
    def calibration(self) -> Calibration:
        """Thresholds for false-accept rates, measured on people never trained on.

        Raises:
          InputError: there is none.
        """
        if self.card is None or self.card.calibration is None:
            raise InputError(
                "no thresholds are known of this embedder: it was not evaluated on "
                "people never trained on; evaluate its run by --mode=evaluate (if "
                "data.verification_share is above 0)"
            )
        return self.card.calibration

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        dtype: str = "float32",
        overwrite: bool = False,
    ) -> None:
        """Writes a folder that `cl_facenet.load` reads, whole or not at all.

        Args:
          dtype: of the parameters in the file: float32 gives the same vectors to the
            last bit; bfloat16 takes half the room. They are float32 again when loaded.
          overwrite: whether an embedder that was saved there may be replaced.

        Raises:
          InputError: another dtype, something is there already, it cannot be written,
            this embedder has no card, or this process was forked from one that ran JAX.
        """
        check_not_forked()
        if dtype not in DTYPES:
            raise InputError(f"dtype is {dtype!r}: choose one of {', '.join(DTYPES)}")
        if self.card is None:
            raise InputError(
                "this embedder has no card that says what it is: save one that "
                "cl_facenet.load gave, or give it a ModelCard"
            )
        model = SavedModel(self.card, self.preprocessing.describe(), self.params)
        write_model(local_path(path), model, dtype=dtype, overwrite=overwrite)


def _listed(
    photos: np.ndarray | Sequence[PhotoLike],
) -> np.ndarray | list[PhotoLike]:
    """An array [N, H, W, 3], or a list; anything else is refused."""
    if hasattr(photos, "__array__") and not isinstance(photos, Image.Image):
        photos = np.asarray(photos)
        if photos.ndim != 4:
            raise InputError(
                f"an array of shape {list(photos.shape)}: give [photos, height, "
                "width, 3], or a list"
            )
        return photos
    if not isinstance(photos, Sequence) or isinstance(photos, str | bytes):
        kind = type(photos).__name__
        raise InputError(f"{kind}: give a list of photos, as in embedder([photo])")
    return list(photos)


def _squares(
    photos: np.ndarray | Sequence[PhotoLike], make_square: Preprocessing | Prepared
) -> tuple[np.ndarray, list[FaceReport]]:
    """uint8 [B, S, S, 3] of some photos, and what is known of their faces [B]."""
    if isinstance(photos, np.ndarray) and photos.dtype == np.uint8:
        _, *size, channels = photos.shape
        if channels == 3 and make_square.keeps(tuple(size)):
            return photos, [FaceReport()] * len(photos)
    made: list[Square] = [make_square(open_photo(photo)) for photo in photos]
    return np.stack([one.pixels for one in made]), [one.face for one in made]


def declined(
    vectors: np.ndarray, faces: Sequence[FaceReport], on_missing_face: OnMissingFace
) -> np.ndarray:
    """Vectors [N, D], those of photos without a face NaN unless one is assumed."""
    missing = [face.missing for face in faces]
    if on_missing_face == "assume" or not any(missing):
        return vectors
    return np.where(np.array(missing)[:, None], np.float32(np.nan), vectors)


def _name(photo: Any, place: int) -> str:
    """A photo's path where it has one, or its place among others."""
    path = getattr(photo, "filename", photo)
    known = isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path)
    return printable(known) if known else f"photo {place}"


def make_embed(model: FaceNet) -> Callable[[Variables, jax.Array], jax.Array]:
    """The pure function behind `Embedder.apply`."""

    def embed(params: Variables, images: jax.Array) -> jax.Array:
        check_not_forked()  # whoever traces it
        features: Any = model.apply(params, unit_range(images), method="features")
        return model.normalize(features)

    return embed
