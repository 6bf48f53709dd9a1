"""Records to batches with Grain: shuffled, augmented, decoded ahead, resumable."""

from collections.abc import Iterator, Sequence
from typing import Any

import grain
import numpy as np

from cl_facenet.data.augment import Augment
from cl_facenet.data.records import Records

Batch = dict[str, np.ndarray]

_EVAL_THREADS = 2


def train_batches(
    records: Records,
    indices: np.ndarray,
    labels: np.ndarray,
    *,
    batch_size: int,
    num_epochs: int,
    seed: int,
    augment: Augment,
    num_threads: int,
) -> grain.DatasetIterator[Batch]:
    """Give every photo once an epoch, each epoch in a new order.

    Batches {"image": uint8 [B, S, S, 3], "label": int32 [B], "mask": bool [B]} run
    across epochs; the last one is filled up with black photos whose mask is False.
    The iterator's get_state() and set_state() resume exactly, augmentation included.

    Args:
        indices: rows of the records [n].
        labels: int32 [n].
        num_threads: batches decoded at a time; 0 decodes in the caller's thread.
    """

    def change(item: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return item | {"image": augment(item["image"], rng)}

    dataset = (
        grain.MapDataset.source(_Photos(records, indices, labels))
        .seed(seed)
        .shuffle()
        .repeat(num_epochs)
        .random_map(change)
        .batch(batch_size, batch_fn=_Pad(batch_size))
    )
    return iter(dataset.to_iter_dataset(_read_options(num_threads)))


def num_batches(num_photos: int, batch_size: int, num_epochs: int) -> int:
    """Return ceil(num_photos * num_epochs / batch_size), the length of a training."""
    return -(-num_photos * num_epochs // batch_size)


def eval_batches(
    records: Records, indices: np.ndarray, *, batch_size: int
) -> Iterator[Batch]:
    """Give photos in order: {"image": uint8 [B, S, S, 3], "mask": bool [B]}, padded."""
    if len(indices) == 0:
        return iter(())
    photos = grain.MapDataset.source(_Photos(records, indices, None))
    dataset = photos.batch(batch_size, batch_fn=_Pad(batch_size))
    return iter(dataset.to_iter_dataset(_read_options(_EVAL_THREADS)))


class _Photos:
    """The chosen photos by position, as Grain reads them."""

    def __init__(
        self, records: Records, indices: np.ndarray, labels: np.ndarray | None
    ) -> None:
        self._records = records
        self._indices = indices
        self._labels = labels

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, position: int) -> dict[str, Any]:
        item = {"image": self._records.image(int(self._indices[position]))}
        if self._labels is None:
            return item
        return item | {"label": np.int32(self._labels[position])}


class _Pad:
    """Stacks items, adds zeros up to the batch size and masks them out."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size

    def __call__(self, items: Sequence[dict[str, Any]]) -> Batch:
        batch = {"mask": np.arange(self._batch_size) < len(items)}
        for key in items[0]:
            values = np.stack([item[key] for item in items])
            missing = self._batch_size - len(items)
            batch[key] = np.pad(values, [(0, missing)] + [(0, 0)] * (values.ndim - 1))
        return batch


def _read_options(num_threads: int) -> grain.ReadOptions:
    # The buffer counts whole batches; Grain's default of 500 would fill the memory.
    return grain.ReadOptions(
        num_threads=num_threads, prefetch_buffer_size=2 * num_threads
    )
