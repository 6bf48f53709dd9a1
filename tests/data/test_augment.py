import dataclasses
import math

import numpy as np
import pytest

from cl_facenet.data.augment import (
    Augment,
    brightness,
    contrast,
    erase,
    mirror,
    shift,
)
from cl_facenet.errors import InputError

OFF = Augment(mirror=0, shift=0, brightness=0, contrast=0, erase=0)
SIZE = 24


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)


def rngs(number=200):
    return [np.random.default_rng(seed) for seed in range(number)]


def test_off_leaves_the_photo_and_the_generator_alone(image):
    rng = np.random.default_rng(0)
    assert OFF(image, rng) is image
    assert rng.random() == np.random.default_rng(0).random()


@pytest.mark.parametrize("key", [field.name for field in dataclasses.fields(Augment)])
def test_each_key_turns_its_own_change_on(image, key):
    amount = 3 if key == "shift" else 0.5
    augment = dataclasses.replace(OFF, **{key: amount})
    function = {f.__name__: f for f in (mirror, shift, brightness, contrast, erase)}[
        key
    ]
    changed = 0
    for seed in range(30):
        result = augment(image, np.random.default_rng(seed))
        expected = function(image, np.random.default_rng(seed), amount)
        np.testing.assert_array_equal(result, expected)
        changed += not np.array_equal(result, image)
    assert changed > 5


def test_results_are_repeatable_uint8_and_leave_the_input(image):
    augment = Augment(mirror=0.5, shift=4, brightness=0.3, contrast=0.3, erase=0.5)
    before = image.copy()
    for seed in range(30):
        first = augment(image, np.random.default_rng(seed))
        assert first.shape == image.shape
        assert first.dtype == np.uint8
        again = augment(image, np.random.default_rng(seed))
        np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(image, before)


def test_mirror_swaps_left_and_right_as_often_as_asked(image):
    results = [mirror(image, rng, 0.3) for rng in rngs(1000)]
    swapped = [np.array_equal(result, np.fliplr(image)) for result in results]
    kept = [np.array_equal(result, image) for result in results]
    assert np.logical_xor(swapped, kept).all()
    assert 0.25 < np.mean(swapped) < 0.35
    assert all(np.array_equal(mirror(image, r, 1), np.fliplr(image)) for r in rngs(9))


def test_shift_moves_whole_pixels_and_repeats_the_edge(image):
    most = 2
    padded = np.pad(image, [(most, most), (most, most), (0, 0)], mode="edge")
    windows = {
        padded[y : y + SIZE, x : x + SIZE].tobytes(): (y - most, x - most)
        for y in range(2 * most + 1)
        for x in range(2 * most + 1)
    }
    moves = {windows[shift(image, rng, most).tobytes()] for rng in rngs()}
    assert len(moves) == 25


def test_shift_may_be_larger_than_the_photo(image):
    assert shift(image, np.random.default_rng(0), 100).shape == image.shape


def test_brightness_adds_one_level_to_all():
    image = np.full((SIZE, SIZE, 3), 128, np.uint8)
    levels = []
    for rng in rngs():
        result = brightness(image, rng, 0.2)
        assert (result == result[0, 0, 0]).all()
        levels.append(int(result[0, 0, 0]) - 128)
    assert -51 <= min(levels) < -45
    assert 45 < max(levels) <= 51


def test_brightness_and_contrast_saturate():
    image = np.array([[[0, 128, 255]]], np.uint8).repeat(SIZE, 0).repeat(SIZE, 1)
    for rng in rngs():
        assert (np.diff(brightness(image, rng, 1).astype(int), axis=-1) >= 0).all()
        assert (np.diff(contrast(image, rng, 1).astype(int), axis=-1) >= 0).all()


def test_contrast_scales_about_the_mean(image):
    grey = image // 4 + 96  # room for a factor of 1.5
    factors = []
    for rng in rngs():
        result = contrast(grey, rng, 0.5)
        assert abs(result.mean() - grey.mean()) < 0.5
        factors.append(result.std() / grey.std())
    assert 0.49 < min(factors) < 0.53
    assert 1.47 < max(factors) < 1.51


def test_erase_fills_one_rectangle_of_the_stated_size():
    image = np.zeros((96, 96, 3), np.uint8)
    shares, ratios, noise = [], [], []
    for rng in rngs():
        result = erase(image, rng, 1)
        rows, columns = np.nonzero(result.any(-1))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        shares.append(height * width / 96**2)
        ratios.append(height / width)
        noise.append(
            result[rows.min() : rows.max(), columns.min() : columns.max()].std()
        )
    assert 0.018 < min(shares) < 0.05
    assert 0.2 < max(shares) < 0.26
    assert 0.45 < min(ratios) < 0.6
    assert 1.7 < max(ratios) < 2.2
    assert min(noise) > 60


def test_erase_is_as_frequent_as_asked(image):
    erased = [not np.array_equal(erase(image, rng, 0.3), image) for rng in rngs(1000)]
    assert 0.25 < np.mean(erased) < 0.35


def test_erase_takes_the_smallest_photo():
    for rng in rngs(50):
        assert erase(np.zeros((1, 1, 3), np.uint8), rng, 1).shape == (1, 1, 3)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mirror", -0.1),
        ("mirror", 1.1),
        ("shift", -1),
        ("shift", 1.5),
        ("brightness", 2),
        ("contrast", -1),
        ("contrast", math.nan),
        ("erase", 7),
    ],
)
def test_values_out_of_range_are_named(key, value):
    with pytest.raises(InputError, match=rf"data\.augment\.{key}={value}"):
        dataclasses.replace(OFF, **{key: value})
