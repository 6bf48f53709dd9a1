"""How well the classifier names people it was trained on, in photos it has not seen."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from cl_facenet.errors import InputError


@dataclass(frozen=True)
class Classification:
    """Shares from 0 to 1; precision, recall and F1 are means over people (macro).

    The means are over the people who have held-out photos: a person with none has
    nothing to be right about.
    """

    accuracy: float
    precision: float
    recall: float
    f1: float
    labels: np.ndarray  # int [N], the true people
    predictions: np.ndarray  # int [N]
    num_classes: int

    @property
    def num_images(self) -> int:
        """Held-out photos, N."""
        return len(self.labels)

    @property
    def confusion(self) -> np.ndarray:
        """Counts, int [num_classes, num_classes]; a row is a true person."""
        return confusion_matrix(self.labels, self.predictions, self.num_classes)

    def summary(self) -> dict[str, Any]:
        """The `classification` object of results.json."""
        return {
            "accuracy": self.accuracy,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "num_images": self.num_images,
            "num_classes": self.num_classes,
        }


def confusion_matrix(
    labels: np.ndarray, predictions: np.ndarray, num_classes: int
) -> np.ndarray:
    """Counts of (label, answer), int [num_classes, num_classes]."""
    cells = np.asarray(labels, np.int64) * num_classes + predictions
    return np.bincount(cells, minlength=num_classes**2).reshape(
        num_classes, num_classes
    )


def classify(
    labels: np.ndarray, predictions: np.ndarray, num_classes: int
) -> Classification:
    """Scores predictions [N] against labels [N], both ints below `num_classes`.

    A person who is never the answer has precision 0.

    Raises:
      InputError: there are no photos.
    """
    if len(labels) == 0:
        raise InputError("no held-out photos to classify: raise data.heldout_share")
    # Not scikit-learn's: with a photo or two a person it warns, and to hold that back
    # is to change the filters of all threads.
    people, rows, photos = np.unique(labels, return_inverse=True, return_counts=True)
    right = np.bincount(rows[labels == predictions], minlength=len(people))
    among = np.isin(predictions, people)
    answers = np.searchsorted(people, predictions[among])
    answered = np.bincount(answers, minlength=len(people))
    return Classification(
        accuracy=float(np.mean(labels == predictions)),
        precision=float(np.mean(right / np.maximum(answered, 1))),
        recall=float(np.mean(right / photos)),
        f1=float(np.mean(2 * right / (answered + photos))),
        labels=labels,
        predictions=predictions,
        num_classes=int(num_classes),
    )
