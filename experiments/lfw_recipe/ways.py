"""Ways to use a network's vectors: what they are taken of, and how they are mapped.

A photo's vector may be the sum of those of several views of it, in CROPS; what the
people trained on say of all vectors may be used to map them, in FITS.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import normalize

ZOOM = 0.1  # as the recipe's training photos are zoomed by, at most

View = Callable[[np.ndarray], np.ndarray]  # of photos uint8 [n, S, S, 3]
Map = Callable[[np.ndarray], np.ndarray]  # of vectors [N, D]
# From vectors [M, D] and labels [M] of the people trained on.
Fit = Callable[[np.ndarray, np.ndarray], Map]


def as_they_are(images: np.ndarray) -> np.ndarray:
    """No change."""
    return images


def mirrored(images: np.ndarray) -> np.ndarray:
    """Left and right swapped."""
    return images[:, :, ::-1]


def nearer(images: np.ndarray) -> np.ndarray:
    """Larger by ZOOM about the middle."""
    size = images.shape[1]
    edge = size * (1 - 1 / (1 + ZOOM)) / 2
    return _resized(images, (edge, edge, size - edge, size - edge), size)


def farther(images: np.ndarray) -> np.ndarray:
    """Smaller by ZOOM about the middle, the edges repeated around it."""
    size = images.shape[1]
    edge = round(size * ZOOM / 2)
    around = ((0, 0), (edge, edge), (edge, edge), (0, 0))
    whole = (0, 0, size + 2 * edge, size + 2 * edge)
    return _resized(np.pad(images, around, mode="edge"), whole, size)


def nearer_mirrored(images: np.ndarray) -> np.ndarray:
    """Both."""
    return nearer(mirrored(images))


def farther_mirrored(images: np.ndarray) -> np.ndarray:
    """Both."""
    return farther(mirrored(images))


def unmapped(_: np.ndarray, __: np.ndarray) -> Map:
    """Vectors as they are."""
    return lambda vectors: vectors


def whitened(trained: np.ndarray, _: np.ndarray) -> Map:
    """By principal components, each with the same variance, and unit vectors again."""
    pca = PCA(whiten=True).fit(trained)
    return lambda vectors: normalize(pca.transform(vectors))


def discriminant(trained: np.ndarray, labels: np.ndarray) -> Map:
    """By Fisher's discriminant: scatter within people alike in every direction.

    For a tenth of it that is taken to be so beforehand. Unit vectors again.
    """
    fisher = LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.1)
    fisher.fit(trained, labels)
    return lambda vectors: normalize(fisher.transform(vectors))


ONE, MIRRORED, SIX = "one crop", "with its mirror image", "six crops"
CROPS: Mapping[str, Sequence[View]] = {
    ONE: (as_they_are,),
    MIRRORED: (as_they_are, mirrored),
    SIX: (
        *(as_they_are, nearer, farther),
        *(mirrored, nearer_mirrored, farther_mirrored),
    ),
}
FITS: Mapping[str, Fit] = {
    "": unmapped,
    ", whitened": whitened,
    ", discriminant": discriminant,
}


def _resized(
    images: np.ndarray, box: tuple[float, float, float, float], size: int
) -> np.ndarray:
    """What each photo shows in a box (left, top, right, bottom), `size` pixels wide."""
    how = Image.Resampling.BICUBIC
    return np.stack(
        [
            np.asarray(Image.fromarray(image).resize((size, size), how, box))
            for image in images
        ]
    )
