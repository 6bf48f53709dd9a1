"""The nearest person, exactly; and nobody, where it is not clear."""

import numpy as np
import pytest

from cl_facenet import gallery
from cl_facenet.gallery import Candidate, Gallery, match, person_of


def units(*shape, seed=0):
    vectors = np.random.default_rng(seed).normal(size=shape)
    return np.float32(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def by_a_loop(people, vectors, probe, count):
    nearest = {}
    for person, vector in zip(people, vectors, strict=True):
        distance = np.square(vector - probe).sum()
        nearest[person] = min(distance, nearest.get(person, np.inf))
    ranked = sorted(nearest.items(), key=lambda item: (item[1], item[0]))[:count]
    return [Candidate(person, float(distance)) for person, distance in ranked]


@pytest.mark.parametrize(("chunk", "probes"), [(16_384, 64), (7, 64), (7, 2)])
def test_the_people_nearest_are_those_that_a_loop_finds(chunk, probes, monkeypatch):
    """To the last bit and with its ties, whatever is compared at a time."""
    monkeypatch.setattr(gallery, "CHUNK", chunk)
    monkeypatch.setattr(gallery, "PROBES", probes)
    people = [f"p{n}" for n in np.random.default_rng(0).integers(0, 9, 60)]
    people[:4] = ["p1", "p0", "p2", "p0"]
    vectors = units(60, 8)
    vectors[1] = vectors[2] = vectors[0]  # of three people: the first by name
    asked = np.concatenate([vectors[:1], units(4, 8, seed=1)])
    found = Gallery(people, vectors).nearest(asked, 4)
    assert found == [by_a_loop(people, vectors, probe, 4) for probe in asked]
    assert found[0][:3] == [Candidate(f"p{n}", 0.0) for n in range(3)]


def test_somebody_with_many_photos_does_not_crowd_out_the_others(monkeypatch):
    monkeypatch.setattr(gallery, "CHUNK", 5)
    vectors = np.concatenate([units(1, 8) + 1e-3 * units(30, 8, seed=1), units(2, 8)])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    people = ["often"] * 30 + ["once", "once too"]
    for count, number in ((1, 1), (3, 3), (9, 3)):
        (found,) = Gallery(people, vectors).nearest(vectors[:1], count)
        assert found == by_a_loop(people, vectors, vectors[0], count)
        assert len(found) == number


class Rounded(np.ndarray):
    """A vector whose product with itself comes out too small."""

    def __matmul__(self, others):
        return super().__matmul__(others) - 5e-5 * (others == self.T).all(0)


@pytest.mark.parametrize("chunk", [1, 2])
def test_rounding_hides_nobody(chunk, monkeypatch):
    monkeypatch.setattr(gallery, "CHUNK", chunk)
    cosine = 1 - 2e-5
    vectors = np.array([[1, 0], [cosine, np.sqrt(1 - cosine**2)]], np.float32)
    (found,) = Gallery(["a", "b"], vectors).nearest(vectors[:1].view(Rounded), 1)
    assert found == [Candidate("a", 0.0)]


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
