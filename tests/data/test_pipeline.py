from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cl_facenet.data.augment import Augment
from cl_facenet.data.pipeline import eval_batches, num_batches, train_batches
from cl_facenet.data.records import prepare
from cl_facenet.data.synthetic import synthetic_source

SIZE = 16
OFF = Augment(mirror=0, shift=0, brightness=0, contrast=0, erase=0)
ALL = Augment(mirror=0.5, shift=2, brightness=0.2, contrast=0.2, erase=0.5)
CHOSEN = np.array([1, 2, 5, 6, 7, 9, 10, 11, 13, 14])


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return prepare(
        synthetic_source(4, 4, seed=0),
        image_size=SIZE,
        cache_dir=tmp_path_factory.mktemp("records"),
        skip_unreadable=False,
    )


def batches(records, augment=OFF, indices=CHOSEN, **options):
    # A label of its own for every photo tells which one it is.
    labels = np.asarray(indices, np.int32) * 10
    settings = {"batch_size": 4, "num_epochs": 3, "seed": 5, "num_threads": 2}
    return train_batches(
        records, indices, labels, augment=augment, **settings | options
    )


def seen(batch):
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


def test_labels_stay_with_their_photos(records):
    for batch in batches(records):
        expected = records.images(seen(batch))
        np.testing.assert_array_equal(batch["image"][batch["mask"]], expected)


def test_only_the_end_is_padded(records):
    *whole, last = batches(records)
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


def test_the_seed_decides_order_and_augmentation(records):
    first = list(batches(records, ALL))
    assert_same(first, list(batches(records, ALL)))
    other = next(batches(records, ALL, seed=6))
    assert not np.array_equal(first[0]["image"], other["image"])


@pytest.mark.parametrize("num_threads", [0, 1, 5])
def test_threads_do_not_matter(records, num_threads):
    expected = list(batches(records, ALL))
    assert_same(expected, list(batches(records, ALL, num_threads=num_threads)))


def test_a_photo_is_changed_anew_each_epoch(records):
    images = [
        image.tobytes()
        for batch in batches(records, ALL, indices=CHOSEN[:2], batch_size=2)
        for image in batch["image"]
    ]
    assert len(set(images)) == 6


def test_augmentation_reaches_the_photos(records):
    always = Augment(mirror=1, shift=0, brightness=0, contrast=0, erase=0)
    for batch in batches(records, always):
        expected = records.images(seen(batch))[:, :, ::-1]
        np.testing.assert_array_equal(batch["image"][batch["mask"]], expected)


@pytest.mark.parametrize("done", [0, 1, 3, 7])
def test_a_state_resumes_exactly(records, done):
    iterator = batches(records, ALL)
    for _ in range(done):
        next(iterator)
    state = iterator.get_state()
    rest = list(iterator)
    assert len(rest) == 8 - done
    resumed = batches(records, ALL)
    next(resumed)
    resumed.set_state(state)
    assert_same(rest, list(resumed))


def test_more_epochs_begin_with_the_same_batches(records):
    # So a finished run can be trained on from its last state.
    short, long = list(batches(records, ALL)), batches(records, ALL, num_epochs=6)
    assert_same(short[:7], [next(long) for _ in range(7)])


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
