from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cl_facenet.data.augment import Augment
from cl_facenet.data.pipeline import eval_batches, num_batches, train_batches
from cl_facenet.data.preprocessing import Preprocessing
from cl_facenet.data.records import prepare
from cl_facenet.data.synthetic import synthetic_source
from cl_facenet.errors import InputError

SIZE = 16
OFF = Augment()
ALL = Augment(mirror=0.5, shift=2, brightness=0.2, contrast=0.2, erase=0.5)
CHOSEN = np.array([1, 2, 5, 6, 7, 9, 10, 11, 13, 14])
SHUFFLED, BALANCED = 0, 2  # photos a person

samplings = pytest.mark.parametrize("photos_per_person", [SHUFFLED, BALANCED])


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return prepare(
        synthetic_source(4, 4, seed=0),
        Preprocessing("none", SIZE),
        cache_dir=tmp_path_factory.mktemp("records"),
        skip_unreadable=False,
    )


def batches(records, augment=OFF, indices=CHOSEN, labels=None, **options):
    # A label of its own for every photo tells which one it is.
    labels = np.asarray(indices, np.int32) * 10 if labels is None else labels
    settings = {"batch_size": 4, "num_epochs": 3, "seed": 5, "num_threads": 2}
    settings |= {"photos_per_person": SHUFFLED, "augment": augment}
    return train_batches(records, indices, labels, **settings | options)


def people_batches(records, **options):
    """Batches with the labels that the records have: who is on the photo."""
    return batches(records, ALL, labels=records.labels[CHOSEN], **options)


def seen(batch):
    batch = jax.device_get(batch)
    return [int(label) // 10 for label in batch["label"][batch["mask"]]]


def assert_same(first, second):
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])


def test_a_batch_has_static_shapes(records):
    for batch in batches(records):
        assert batch["image"].shape == (4, SIZE, SIZE, 3)
        assert batch["image"].dtype == np.uint8
        assert batch["label"].shape == (4,)
        assert batch["label"].dtype == np.int32
        assert batch["mask"].shape == (4,)
        assert batch["mask"].dtype == bool


@samplings
def test_labels_stay_with_their_photos(records, photos_per_person):
    for batch in jax.device_get(
        list(batches(records, photos_per_person=photos_per_person))
    ):
        expected = records.images(seen(batch))
        np.testing.assert_array_equal(batch["image"][batch["mask"]], expected)


def test_only_the_end_is_padded(records):
    *whole, last = jax.device_get(list(batches(records)))
    assert len(whole) == 7
    assert all(batch["mask"].all() for batch in whole)
    assert last["mask"].tolist() == [True, True, False, False]
    assert not last["image"][2:].any()
    assert not last["label"][2:].any()


def test_each_epoch_has_every_photo_in_a_new_order(records):
    order = [i for batch in batches(records) for i in seen(batch)]
    epochs = [order[:10], order[10:20], order[20:]]
    for epoch in epochs:
        assert sorted(epoch) == CHOSEN.tolist()
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert CHOSEN.tolist() not in epochs


@settings(deadline=None, derandomize=True, max_examples=20)
@given(
    number=st.integers(1, 16),
    batch_size=st.integers(1, 9),
    num_epochs=st.integers(1, 4),
)
def test_every_photo_comes_once_an_epoch(records, number, batch_size, num_epochs):
    given_batches = list(
        batches(
            records,
            indices=np.arange(number),
            batch_size=batch_size,
            num_epochs=num_epochs,
            num_threads=0,
        )
    )
    assert len(given_batches) == num_batches(number, batch_size, num_epochs)
    times = Counter(i for batch in given_batches for i in seen(batch))
    assert times == dict.fromkeys(range(number), num_epochs)


def test_num_batches_rounds_up():
    assert num_batches(10, 4, 3) == 8
    assert num_batches(8, 4, 3) == 6
    assert num_batches(1, 100, 1) == 1
    assert num_batches(13233, 64, 300) == 62030


@samplings
def test_the_seed_decides_order_and_augmentation(records, photos_per_person):
    first = list(people_batches(records, photos_per_person=photos_per_person))
    again = people_batches(records, photos_per_person=photos_per_person)
    assert_same(first, list(again))
    other = next(people_batches(records, photos_per_person=photos_per_person, seed=6))
    assert not np.array_equal(first[0]["image"], other["image"])


@samplings
@pytest.mark.parametrize("num_threads", [0, 1, 5])
def test_threads_do_not_matter(records, num_threads, photos_per_person):
    options = {"photos_per_person": photos_per_person}
    expected = list(people_batches(records, **options))
    given_batches = people_batches(records, num_threads=num_threads, **options)
    assert_same(expected, list(given_batches))


def test_a_photo_is_changed_anew_each_epoch(records):
    images = [
        image.tobytes()
        for batch in batches(records, ALL, indices=CHOSEN[:2], batch_size=2)
        for image in jax.device_get(batch["image"])
    ]
    assert len(set(images)) == 6


def test_augmentation_reaches_the_photos(records):
    always = Augment(mirror=1)
    for batch in jax.device_get(list(batches(records, always))):
        expected = records.images(seen(batch))[:, :, ::-1]
        np.testing.assert_array_equal(batch["image"][batch["mask"]], expected)


def test_balanced_batches_are_as_many_and_never_padded(records):
    given_batches = list(people_batches(records, photos_per_person=BALANCED))
    assert len(given_batches) == num_batches(len(CHOSEN), 4, 3)
    for batch in jax.device_get(given_batches):
        assert batch["mask"].all()
        assert sorted(Counter(batch["label"].tolist()).values()) == [2, 2]


def test_a_person_s_only_photo_comes_changed_in_different_ways(records):
    one_each = {"indices": np.array([0, 4]), "photos_per_person": 4}
    given_batches = batches(records, ALL, **one_each, batch_size=8)
    images = jax.device_get(next(given_batches))["image"]
    assert len({image.tobytes() for image in images}) == 8


def test_batches_that_cannot_be_balanced_are_refused(records):
    with pytest.raises(InputError, match=r"data\.photos_per_person"):
        batches(records, photos_per_person=3)


@samplings
@pytest.mark.parametrize("done", [0, 1, 3, 7])
def test_a_state_resumes_exactly(records, done, photos_per_person):
    iterator = people_batches(records, photos_per_person=photos_per_person)
    for _ in range(done):
        next(iterator)
    state = iterator.get_state()
    rest = list(iterator)
    assert len(rest) == 8 - done
    resumed = people_batches(records, photos_per_person=photos_per_person)
    next(resumed)
    resumed.set_state(state)
    assert_same(rest, list(resumed))


@samplings
def test_more_epochs_begin_with_the_same_batches(records, photos_per_person):
    # So a finished run can be trained on from its last state.
    options = {"photos_per_person": photos_per_person}
    short = list(people_batches(records, **options))
    long = people_batches(records, num_epochs=6, **options)
    assert_same(short[:7], [next(long) for _ in range(7)])


@dataclass(frozen=True, eq=False)
class Counted(Sequence):
    """Stored records that count how often they are read."""

    encoded: Sequence
    reads: list[int] = field(default_factory=list)

    def __len__(self):
        return len(self.encoded)

    def __getitem__(self, index):
        self.reads.append(index)
        return self.encoded[index]


def test_the_next_batch_is_made_ahead_but_not_in_the_state(records):
    counted = Counted(records.encoded)
    watched = replace(records, encoded=counted)
    first, *rest = batches(records, ALL)
    iterator = batches(watched, ALL, num_threads=0)
    assert not counted.reads
    handed_out = next(iterator)
    assert len(counted.reads) == 2 * 4
    assert all(isinstance(array, jax.Array) for array in handed_out.values())
    resumed = batches(records, ALL)
    resumed.set_state(iterator.get_state())
    assert_same([first, *rest], [handed_out, *resumed])


def test_a_state_set_again_goes_back(records):
    iterator = batches(records, ALL)
    start = iterator.get_state()
    everything = list(iterator)
    assert list(iterator) == []
    iterator.set_state(start)
    assert iterator.get_state() == start
    assert_same(everything, list(iterator))


def test_a_closed_iterator_gives_no_more(records):
    iterator = batches(records)
    next(iterator)
    iterator.close()
    with pytest.raises(ValueError, match="closed iterator"):
        next(iterator)


def test_eval_batches_keep_the_order(records):
    given_batches = list(eval_batches(records, CHOSEN, batch_size=4))
    assert [batch["mask"].tolist() for batch in given_batches] == [
        [True] * 4,
        [True] * 4,
        [True, True, False, False],
    ]
    for batch in given_batches:
        assert batch.keys() == {"image", "mask"}
        assert batch["image"].shape == (4, SIZE, SIZE, 3)
    images = np.concatenate([batch["image"] for batch in given_batches])
    np.testing.assert_array_equal(images[:10], records.images(CHOSEN))
    assert not images[10:].any()


def test_no_photos_to_evaluate(records):
    assert list(eval_batches(records, np.array([], int), batch_size=4)) == []


@samplings
def test_rows_of_several_processes_are_the_batches_of_one(records, photos_per_person):
    """Also those that no photo is left for, in a batch with more room than it needs."""
    options = {"augment": ALL, "photos_per_person": photos_per_person}
    whole = jax.device_get(list(batches(records, **options)))
    parts = [
        jax.device_get(list(batches(records, **options, rows=rows)))
        for rows in (range(3), range(3, 6))
    ]
    for batch, *of in zip(whole, *parts, strict=True):
        for key, rows in batch.items():
            joined = np.concatenate([part[key] for part in of])
            np.testing.assert_array_equal(joined[:4], rows)
            assert not joined[4:].any()


def test_a_position_is_every_process_s(records):
    """Of so many batches: what one process has saved, another goes on from."""
    one, other = (batches(records, ALL, rows=rows) for rows in (range(2), range(2, 4)))
    for _ in range(3):
        next(one)
    other.set_state(one.get_state())
    whole = jax.device_get(list(batches(records, ALL))[3])
    np.testing.assert_array_equal(next(other)["image"], whole["image"][2:])
