"""Records to batches with Grain: sampled, augmented, made ahead, resumable."""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import grain
import jax
import numpy as np

from cl_facenet.data.augment import Augment
from cl_facenet.data.composites import Composites
from cl_facenet.data.records import Records
from cl_facenet.data.sampling import balanced_order

Batch = dict[str, jax.Array]
HostBatch = dict[str, np.ndarray]

_EVAL_THREADS = 2


def train_batches(
    records: Records,
    indices: np.ndarray,
    labels: np.ndarray,
    composites: Composites | None = None,
    *,
    batch_size: int,
    photos_per_person: int,
    num_epochs: int,
    seed: int,
    augment: Augment,
    num_threads: int,
    rows: range | None = None,
    place: Callable[[HostBatch], Batch] = jax.device_put,
) -> grain.DatasetIterator[Batch]:
    """Give batches on the device, as many as hold every photo once an epoch.

    They are {"image": uint8 [B, S, S, 3], "label": int32 [B], "mask": bool [B]}. With
    `photos_per_person` 0, every photo comes once an epoch, each epoch in a new order;
    batches run across epochs, and the last one is filled up with black photos whose
    mask is False. Else batches are of different people with that many photos each: see
    `balanced_order`. With `rows`, only those of every batch are read and given; rows
    past its end are filled up, too. Photos, their order and their augmentation do not
    depend on it.

    While one batch is in use, the next is on its way to the device. The iterator's
    get_state() and set_state() resume exactly after the last batch handed out,
    augmentation included; close() ends the threads that decode.

    Args:
        indices: rows of the records [n].
        labels: int32 [n].
        composites: more photos, labelled from one above the highest label on.
        num_threads: batches decoded at a time; 0 decodes in the caller's thread.
        rows: of each batch, what this process is to bring; None: all.
        place: puts them on the device, or on devices.

    Raises:
        InputError: `photos_per_person` does not fit the batch size or the people.
    """
    photos = _Photos(records, indices, labels, composites)
    if photos_per_person == 0:
        ordered = grain.MapDataset.source(photos).seed(seed).shuffle()
        ordered = ordered.repeat(num_epochs)
    else:
        photo_at = balanced_order(
            photos.labels,
            batch_size=batch_size,
            photos_per_person=photos_per_person,
            seed=seed,
        )
        length = num_batches(len(photos), batch_size, num_epochs) * batch_size
        positions = grain.MapDataset.range(length).seed(seed)
        ordered = positions.map(lambda position: photos[photo_at(position)])

    def change(item: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return item | {"image": augment(item["image"], rng)}

    augmented = ordered.random_map(change)
    nothing = {"image": _black(records), "label": np.zeros((), np.int32)}
    batches = _Batches(augmented, batch_size, rows or range(batch_size), nothing)
    return _OneAhead(_read(batches, num_threads), place)


def num_batches(num_photos: int, batch_size: int, num_epochs: int) -> int:
    """Return ceil(num_photos * num_epochs / batch_size), the length of a training."""
    return -(-num_photos * num_epochs // batch_size)


def eval_batches(
    records: Records, indices: np.ndarray, *, batch_size: int
) -> Iterator[HostBatch]:
    """Give photos in order: {"image": uint8 [B, S, S, 3], "mask": bool [B]}, padded."""
    if len(indices) == 0:
        return iter(())
    photos = _Photos(records, indices, np.zeros(len(indices), np.int32))
    nothing = {"image": _black(records)}
    batches = _Batches(photos, batch_size, range(batch_size), nothing)
    return _read(batches, _EVAL_THREADS)


class _OneAhead(grain.DatasetIterator[Batch]):
    """Puts every batch on the device when the one before it is handed out.

    It needs no thread, as JAX copies while the program goes on. Those of Grain's own,
    `grain.experimental.device_put`, can end the process if nobody closes the iterator.
    """

    def __init__(
        self,
        batches: grain.DatasetIterator[HostBatch],
        place: Callable[[HostBatch], Batch],
    ) -> None:
        super().__init__(batches)
        self._batches, self._place = batches, place
        self._state = batches.get_state()  # after the last batch handed out
        self._ahead: deque[tuple[Batch, dict[str, Any]]] = deque()

    def __next__(self) -> Batch:
        for batch in islice(self._batches, 2 - len(self._ahead)):
            self._ahead.append((self._place(batch), self._batches.get_state()))
        if not self._ahead:
            raise StopIteration
        batch_on_device, self._state = self._ahead.popleft()
        return batch_on_device

    def get_state(self) -> dict[str, Any]:
        return self._state

    def set_state(self, state: dict[str, Any]) -> None:
        self._batches.set_state(state)
        self._state = state
        self._ahead.clear()


class _Photos:
    """Photos by position, as Grain reads them: the chosen ones, then the composites."""

    def __init__(
        self,
        records: Records,
        indices: np.ndarray,
        labels: np.ndarray,
        composites: Composites | None = None,
    ) -> None:
        self._records, self._indices = records, indices
        self._composites, self.labels = composites, labels
        if composites:
            self.labels = np.append(labels, labels.max() + 1 + composites.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, position: int) -> dict[str, Any]:
        made = position - len(self._indices)
        if self._composites and made >= 0:
            image = self._composites.image(made, self._records)
        else:
            image = self._records.image(int(self._indices[position]))
        return {"image": image, "label": np.int32(self.labels[position])}


class _Batches:
    """Some rows of every batch of photos, as Grain reads them.

    Rows that no photo is left for are `nothing`, and masked out.
    """

    def __init__(
        self,
        photos: _Photos | grain.MapDataset[dict[str, Any]],
        batch_size: int,
        rows: range,
        nothing: HostBatch,
    ) -> None:
        self._photos, self._batch_size, self._rows = photos, batch_size, rows
        self._nothing = nothing

    def __len__(self) -> int:
        return -(-len(self._photos) // self._batch_size)

    def __getitem__(self, number: int) -> HostBatch:
        start = number * self._batch_size
        end = min(start + self._batch_size, len(self._photos))
        items = [self._photos[start + r] for r in self._rows if start + r < end]
        batch = {"mask": np.arange(len(self._rows)) < len(items)}
        for key, nothing in self._nothing.items():
            missing = [nothing] * (len(self._rows) - len(items))
            batch[key] = np.stack([item[key] for item in items] + missing)
        return batch


def _black(records: Records) -> np.ndarray:
    size = records.metadata["preprocessing"]["image_size"]
    return np.zeros((size, size, 3), np.uint8)


def _read(batches: _Batches, num_threads: int) -> grain.DatasetIterator[HostBatch]:
    # The buffer counts whole batches; Grain's default of 500 would fill the memory.
    options = grain.ReadOptions(
        num_threads=num_threads, prefetch_buffer_size=2 * num_threads
    )
    return iter(grain.MapDataset.source(batches).to_iter_dataset(options))
