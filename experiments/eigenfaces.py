"""Faces as principal components of their pixels (Turk and Pentland 1991)."""

from collections.abc import Callable

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from cl_facenet.data.records import Records

COMPONENTS = 128  # as many numbers a face as our networks give


def eigenfaces(
    records: Records, fitted_on: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """From rows of the records [n] to their unit vectors [n, COMPONENTS].

    The components are of the grey pixels of the photos `fitted_on`, whitened.
    """

    def pixels(rows: np.ndarray) -> np.ndarray:
        grey = records.images(rows).mean(-1, dtype=np.float32)
        return grey.reshape(len(grey), -1) / 255

    pca = PCA(COMPONENTS, whiten=True, svd_solver="randomized", random_state=0)
    pca.fit(pixels(fitted_on))
    return lambda rows: normalize(pca.transform(pixels(rows)))
