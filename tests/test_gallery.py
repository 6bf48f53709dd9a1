"""The nearest person, exactly; and nobody, where it is not clear."""

from importlib.util import find_spec

import numpy as np
import pytest

from cl_facenet import gallery
from cl_facenet.data.walk import identity_of
from cl_facenet.errors import InputError
from cl_facenet.gallery import Candidate, Gallery, identities_of, match


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


needs_faiss = pytest.mark.skipif(not find_spec("faiss"), reason="the extra `faiss`")


def searches(large):
    """By NumPy, and by faiss, as soon as there are more photos than `large`."""
    return pytest.mark.parametrize(
        "large", [gallery.LARGE, pytest.param(large, marks=needs_faiss)]
    )


@searches(large=59)
@pytest.mark.parametrize("cosines", [gallery.COSINES, 130, 1])
def test_the_people_nearest_are_those_that_a_loop_finds(large, cosines, monkeypatch):
    """To the last bit and with its ties, whatever is compared at a time."""
    monkeypatch.setattr(gallery, "LARGE", large)
    monkeypatch.setattr(gallery, "COSINES", cosines)
    people = [f"p{n}" for n in np.random.default_rng(0).integers(0, 9, 60)]
    people[:4] = ["p1", "p0", "p2", "p0"]
    vectors = units(60, 8)
    vectors[1] = vectors[2] = vectors[0]  # of three people: the first by name
    asked = np.concatenate([vectors[:1], units(4, 8, seed=1)])
    found = Gallery(people, vectors).nearest(asked, 4)
    assert found == [by_a_loop(people, vectors, probe, 4) for probe in asked]
    assert found[0][:3] == [Candidate(f"p{n}", 0.0) for n in range(3)]


@needs_faiss
@pytest.mark.parametrize(("photos", "asked"), [(20, False), (21, True)])
def test_faiss_is_asked_beyond_a_size(photos, asked, monkeypatch):
    monkeypatch.setattr(gallery, "LARGE", 20)
    calls = []

    def search(*arguments):
        calls.append(arguments)
        return gallery.by_products(*arguments)

    monkeypatch.setattr(gallery, "by_faiss", search)
    vectors = units(photos, 8)
    Gallery([f"p{n}" for n in range(photos)], vectors).nearest(vectors[:1], 2)
    assert bool(calls) == asked


def test_without_faiss_numpy_is(monkeypatch):
    monkeypatch.setattr(gallery, "LARGE", 1)
    monkeypatch.setattr(gallery, "find_spec", lambda name: None)
    vectors = units(5, 8)
    ((found,),) = Gallery(list("abcde"), vectors).nearest(vectors[3:4], 1)
    assert found == Candidate("d", 0.0)


@searches(large=1)
def test_somebody_with_many_photos_does_not_crowd_out_the_others(large, monkeypatch):
    monkeypatch.setattr(gallery, "LARGE", large)
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


@pytest.mark.parametrize("others", [0, 5])
def test_rounding_hides_nobody(others):
    """However many photos are so near that rounding could put them first."""
    cosine = 1 - 2e-5
    near = np.array([[cosine, np.sqrt(1 - cosine**2)]] * (1 + others), np.float32)
    vectors = np.concatenate([np.array([[1, 0]], np.float32), near])
    people = [f"p{n}" for n in range(len(vectors))]
    (found,) = Gallery(people, vectors).nearest(vectors[:1].view(Rounded), 1)
    assert found == [Candidate("p0", 0.0)]


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


def test_a_tie_is_of_all_who_are_as_near_but_for_rounding():
    near = units(1, 8)[0]
    rounded = near + np.float32(1e-7)
    others = units(3, 8, seed=1)
    people = [f"p{n}" for n in range(7)] + ["far", "far", "farther"]
    vectors = np.stack([near, rounded, *[near] * 5, *others])
    asked = near[None]
    for row in range(7):
        found = Gallery(people, vectors).tie(vectors[row])
        assert sorted(one.person for one in found) == people[:7]
    assert Gallery(people[6:], vectors[6:]).tie(near) == []
    assert Gallery(["p0"], asked).tie(near) == []
    assert Gallery(["p0", "p0"], np.stack([near, near])).tie(near) == []
    apart = Candidate("p0", 0.1), Candidate("p1", 0.1 + 1e-4)
    assert match(apart, 0.2) == apart[0]
    assert match((apart[0], Candidate("p1", 0.1 + 1e-7)), 0.2) is None


def test_a_vector_of_nothing_is_neither_enrolled_nor_near_to_anybody():
    vectors = units(3, 8)
    nothing = np.full((1, 8), np.nan, np.float32)
    probes = np.concatenate([vectors[:1], nothing, vectors[1:2]])
    first, second, third = Gallery(list("abc"), vectors).nearest(probes, 1)
    assert (first[0].person, second, third[0].person) == ("a", [], "b")
    assert match(second, 4.0) is None
    with pytest.raises(InputError, match="of 4 photos, 1 of them without a face"):
        Gallery(list("abcd"), np.concatenate([vectors, nothing]))
    with pytest.raises(InputError, match="a gallery of 0 photos"):
        Gallery([], vectors[:0])


def test_spellings_of_one_identity_are_one_identity():
    composed, decomposed = "Jos\u00e9", "Jose\u0301"
    names = [
        f"{composed}/1.jpg",
        f"{decomposed}/2.jpg",
        "Ann /1.jpg",
        f"{composed}.png",
    ]
    identities, merged = identities_of(names)
    assert identities == [composed, composed, "Ann", composed]
    assert merged == {composed: sorted({composed, decomposed})}


@pytest.mark.parametrize(
    ("name", "person"),
    [("ann/1.jpg", "ann"), ("ann/old/2.jpg", "ann"), ("bob b.jpg", "bob b")],
)
def test_whose_photo_it_is(name, person):
    assert identity_of(name) == person
