import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from cl_facenet.data.augment import (
    Augment,
    blur,
    brightness,
    contrast,
    erase,
    grey,
    mirror,
    shift,
    turn,
)
from cl_facenet.errors import InputError

OFF = Augment()
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


def rotate(image, rng, amount):
    return turn(image, rng, amount, 0)


def zoom(image, rng, amount):
    return turn(image, rng, 0, amount)


CHANGES = (mirror, rotate, zoom, shift, blur, grey, brightness, contrast, erase)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_each_key_turns_its_own_change_on(image, change):
    amount = 3 if change in (shift, rotate) else 0.5
    augment = dataclasses.replace(OFF, **{change.__name__: amount})
    changed = 0
    for seed in range(30):
        result = augment(image, np.random.default_rng(seed))
        expected = change(image, np.random.default_rng(seed), amount)
        np.testing.assert_array_equal(result, expected)
        changed += not np.array_equal(result, image)
    assert changed > 5


def test_there_is_a_key_for_each_change():
    assert [key.name for key in dataclasses.fields(Augment)] == [
        change.__name__ for change in CHANGES
    ]


def test_results_are_repeatable_uint8_and_leave_the_input(image):
    augment = Augment(
        **{"mirror": 0.5, "rotate": 9, "zoom": 0.1, "shift": 4, "blur": 2},
        **{"grey": 0.5, "brightness": 0.3, "contrast": 0.3, "erase": 0.5},
    )
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


def drawn(share):
    """A generator that draws what lies at that share of every range."""
    return SimpleNamespace(uniform=lambda low, high: low + share * (high - low))


@pytest.mark.parametrize(("share", "quarters"), [(0, 1), (0.5, 0), (1, -1)])
def test_a_turn_by_right_angles_moves_whole_pixels(image, share, quarters):
    turned = turn(image, drawn(share), 90, 0).astype(int)
    assert np.abs(turned - np.rot90(image, quarters)).max() <= 1


def test_a_zoom_is_about_the_middle(image):
    """Twice the size: the middle half, between pixels; half of it: a quarter's area."""
    expected = Image.fromarray(image).resize(
        (SIZE, SIZE), Image.Resampling.BILINEAR, box=(6, 6, 18, 18)
    )
    larger = turn(image, drawn(1), 0, 0.5)
    inner = slice(2, -2)  # at its border, resize knows nothing of what is outside
    difference = larger[inner, inner].astype(int) - np.asarray(expected)[inner, inner]
    assert np.abs(difference).max() <= 1
    smaller = turn(image, drawn(0), 0, 0.5)
    outside = np.ones((SIZE, SIZE), bool)
    outside[SIZE // 4 : -SIZE // 4, SIZE // 4 : -SIZE // 4] = False
    assert (smaller[outside] == 128).all()
    assert smaller[~outside].std() > 10


def test_a_turn_leaves_the_middle_where_it_was():
    image = np.zeros((25, 25, 3), np.uint8)
    image[12, 12] = 255
    for rng in rngs(50):
        turned = turn(image, rng, 180, 0.2)
        assert np.unravel_index(turned[..., 0].argmax(), (25, 25)) == (12, 12)


@pytest.mark.parametrize("share", [0.5, 1])
def test_blur_is_by_a_gaussian_of_at_most_the_stated_width(share):
    """Away from the edges; Pillow's is three boxes, a few levels off on noise."""
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    sigma = 2 * share
    expected = gaussian_filter(noise.astype(float), (sigma, sigma, 0))
    difference = (blur(noise, drawn(share), 2) - expected)[8:-8, 8:-8]
    assert np.abs(difference).max() < 5
    assert difference.std() < 0.08 * expected.std()


def test_grey_is_the_brightness_of_the_photo(image):
    result = grey(image, np.random.default_rng(0), 1)
    expected = np.asarray(Image.fromarray(image).convert("L")).astype(int)
    assert np.abs(result - expected[..., None]).max() <= 1
    changed = [not np.array_equal(grey(image, r, 0.3), image) for r in rngs(1000)]
    assert 0.25 < np.mean(changed) < 0.35


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
    pale = image // 4 + 96  # room for a factor of 1.5
    factors = []
    for rng in rngs():
        result = contrast(pale, rng, 0.5)
        assert abs(result.mean() - pale.mean()) < 0.5
        factors.append(result.std() / pale.std())
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
        ("rotate", 181),
        ("rotate", -1),
        ("zoom", 1),
        ("zoom", -0.5),
        ("blur", -1),
        ("blur", math.inf),
        ("grey", 2),
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
