"""The trained network with its head dropped: photos in, vectors out."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from PIL import Image

from cl_facenet.compiling import jit
from cl_facenet.data.photos import PhotoLike, open_photo
from cl_facenet.data.preprocessing import Prepared, Preprocessing, check_same
from cl_facenet.errors import InputError
from cl_facenet.evaluation.calibration import CalibratedOn, Calibration
from cl_facenet.forks import check_not_forked
from cl_facenet.model_card import ModelCard
from cl_facenet.model_folder import DTYPES, SavedModel, write_model
from cl_facenet.models.facenet import FaceNet, unit_range

BATCH_SIZE = 64

Variables = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """Whether two photos show the same person, and what that is worth."""

    same: bool  # distance < threshold
    distance: float  # squared, from 0 to 4
    threshold: float
    false_accept_rate: float  # of pairs of different people, called the same
    calibrated_on: CalibratedOn  # the pairs on which the threshold has that rate


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
    ) -> np.ndarray:
        """Photos -> float32 [N, D], each row of length 1.

        Photos are a uint8 array [N, H, W, 3] or a list of paths, Pillow images and
        uint8 arrays of any sizes; each is made square by `preprocessing`.

        Args:
          prepared_as: the description of the preprocessing that all photos have gone
            through before, in the metadata of records or the preprocessing.json that
            `cl-facenet align` writes; they are taken as they are.

        Raises:
          InputError: one photo that is not in a list, one that cannot be read, photos
            prepared in another way than those the model was trained on, or a process
            that was forked from one that ran JAX.
        """
        check_not_forked()
        if hasattr(photos, "__array__") and not isinstance(photos, Image.Image):
            photos = np.asarray(photos)
            if photos.ndim != 4:
                raise InputError(
                    f"an array of shape {list(photos.shape)}: give [photos, height, "
                    "width, 3], or a list"
                )
        elif not isinstance(photos, Sequence) or isinstance(photos, str | bytes):
            kind = type(photos).__name__
            raise InputError(f"{kind}: give a list of photos, as in embedder([photo])")
        else:
            photos = list(photos)
        make_square: Preprocessing | Prepared = self.preprocessing
        if prepared_as is not None:
            self.check_prepared(prepared_as)
            make_square = Prepared(prepared_as)
        if not len(photos):
            return np.zeros((0, self._model.embedding_size), np.float32)
        # Nobody waits for a batch: the photos of the next are decoded meanwhile.
        rows = [
            self._embed_batch(_squares(photos[start : start + BATCH_SIZE], make_square))
            for start in range(0, len(photos), BATCH_SIZE)
        ]
        # Only behind the last batch there is room for more: the others are full.
        return np.concatenate([np.asarray(row) for row in rows])[: len(photos)]

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
        """Squared Euclidean distance of unit vectors [..., D], from 0 to 4."""
        return np.sum(np.square(np.subtract(a, b)), -1)

    def verify(
        self, a: PhotoLike, b: PhotoLike, *, false_accept_rate: float = 0.01
    ) -> Verdict:
        """Whether two photos show the same person.

        Args:
          a, b: paths, Pillow images or uint8 arrays [H, W, 3].
          false_accept_rate: the share of pairs of different people that may be called
            the same; one that `calibration` has a threshold for.

        Raises:
          InputError: a photo cannot be read, or no threshold is known for the rate.
        """
        return self.judge(float(self.distance(*self([a, b]))), false_accept_rate)

    def judge(self, distance: float, false_accept_rate: float) -> Verdict:
        """What `verify` says of two photos at a distance.

        Raises:
          InputError: no threshold is known for the rate.
        """
        threshold = self.calibration.at(false_accept_rate)
        return Verdict(
            distance < threshold.threshold,
            distance,
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

    def save(self, path: str | os.PathLike[str], *, dtype: str = "float32") -> None:
        """Writes a folder that `cl_facenet.load` reads, whole or not at all.

        Args:
          dtype: of the parameters in the file: float32 gives the same vectors to the
            last bit; bfloat16 takes half the room. They are float32 again when loaded.

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
        write_model(Path(path), model, dtype=dtype)


def _squares(
    photos: np.ndarray | Sequence[PhotoLike], make_square: Preprocessing | Prepared
) -> np.ndarray:
    """uint8 [B, S, S, 3] of some photos."""
    if isinstance(photos, np.ndarray) and photos.dtype == np.uint8:
        _, *size, channels = photos.shape
        if channels == 3 and make_square.keeps(tuple(size)):
            return photos
    return np.stack([make_square(open_photo(photo)).pixels for photo in photos])


def make_embed(model: FaceNet) -> Callable[[Variables, jax.Array], jax.Array]:
    """The pure function behind `Embedder.apply`."""

    def embed(params: Variables, images: jax.Array) -> jax.Array:
        check_not_forked()  # whoever traces it
        features: Any = model.apply(params, unit_range(images), method="features")
        return model.normalize(features)

    return embed
