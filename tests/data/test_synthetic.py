import numpy as np
import pytest

from cl_facenet.data.photos import fit_square
from cl_facenet.data.synthetic import synthetic_source
from cl_facenet.errors import InputError


def pixels(source):
    return [np.asarray(photo.read()) for photo in source.photos]


def test_names_and_order():
    source = synthetic_source(11, 2, seed=0)
    assert source.name == "synthetic"
    assert [photo.name for photo in source.photos[:3]] == ["p1/1", "p1/2", "p2/1"]
    assert source.photos[-1].name == "p11/2"
    assert source.photos[-1].person == "p11"


def test_a_photo_depends_on_seed_person_and_number_alone():
    small = synthetic_source(2, 2, seed=3)
    large = synthetic_source(4, 5, seed=3)
    by_name = {photo.name: photo for photo in large.photos}
    for photo in small.photos:
        image = photo.read()
        assert image.mode == "RGB"
        assert image.size == (112, 112)
        np.testing.assert_array_equal(image, photo.read())
        np.testing.assert_array_equal(image, by_name[photo.name].read())


def test_all_photos_differ():
    seen = {
        image.tobytes()
        for seed in (0, 1)
        for image in pixels(synthetic_source(3, 3, seed))
    }
    assert len(seen) == 18


def test_fingerprints_differ_where_photos_do():
    sources = [(2, 3, 0), (3, 2, 0), (2, 3, 1)]
    assert len({synthetic_source(*given).fingerprint for given in sources}) == 3
    again = synthetic_source(2, 3, 0)
    assert again.fingerprint == synthetic_source(2, 3, 0).fingerprint


def test_people_can_be_told_apart():
    # The nearest mean of some photos recognises the others: far above chance (5 %).
    people, each = 20, 8
    source = synthetic_source(people, each, seed=0)
    photos = np.array([fit_square(photo.read(), 16) for photo in source.photos])
    centre = photos[:, 3:13, 5:11].reshape(people, each, -1).astype(float)
    means = centre[:, :4].mean(1)
    distance = np.square(centre[:, 4:, None] - means).sum(-1)
    accuracy = (distance.argmin(-1) == np.arange(people)[:, None]).mean()
    assert 0.5 < accuracy < 1


def test_empty_sets_are_refused():
    for people, photos in ((0, 5), (5, 0)):
        with pytest.raises(InputError, match="1 or more"):
            synthetic_source(people, photos, seed=0)
