"""The nearest person, exactly; and nobody, where it is not clear."""

import numpy as np
import pytest

from cl_facenet import gallery
from cl_facenet.gallery import Candidate, Gallery, match, person_of


def test_a_person_is_as_near_as_the_nearest_of_their_photos(monkeypatch):
    """As a loop over all photos finds it, whatever is compared at a time."""
    rng = np.random.default_rng(0)
    people = [f"p{n}" for n in rng.integers(0, 6, 40)]
    vectors = rng.normal(size=(40, 8)).astype(np.float32)
    probe = rng.normal(size=8).astype(np.float32)
    nearest = {}
    for person, vector in zip(people, vectors, strict=True):
        pairs = zip(vector.tolist(), probe.tolist(), strict=True)
        distance = sum((a - b) ** 2 for a, b in pairs)
        nearest[person] = min(distance, nearest.get(person, np.inf))
    expected = sorted(nearest.items(), key=lambda item: item[1])[:4]
    for chunk in (65_536, 7):
        monkeypatch.setattr(gallery, "CHUNK", chunk)
        found = Gallery(people, vectors).nearest(probe, 4)
        assert [one.person for one in found] == [person for person, _ in expected]
        distances = [one.distance for one in found]
        np.testing.assert_allclose(distances, [d for _, d in expected], rtol=1e-5)


@pytest.mark.parametrize(
    ("distances", "threshold", "person"),
    [
        ([0.1, 0.2], 0.15, "p0"),
        ([0.1, 0.2], 0.1, None),  # not below
        ([0.1], 0.15, "p0"),
        ([0.1, 0.1], 0.15, None),  # who of the two?
    ],
)
def test_a_match_is_below_the_threshold_and_alone(distances, threshold, person):
    candidates = [Candidate(f"p{n}", d) for n, d in enumerate(distances)]
    found = match(candidates, threshold)
    assert (found and found.person) == person


@pytest.mark.parametrize(
    ("name", "person"),
    [("ann/1.jpg", "ann"), ("ann/old/2.jpg", "ann"), ("bob b.jpg", "bob b")],
)
def test_whose_photo_it_is(name, person):
    assert person_of(name) == person
