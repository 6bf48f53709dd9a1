"""One way to search a gallery, in a process of its own, when asked to.

python -m experiments.gallery.worker SIDE PHOTOS PROBES

SIDE is numpy or faiss (`cl_facenet.gallery`, with either search), loop (each probe's
distance to every photo) or index (faiss's exact index of inner products alone).
Asked as `experiments.turns` has it; `people` wants the five nearest people of each
probe, by faiss as far as its photos tell them.
"""

import sys
from collections.abc import Callable

import numpy as np

from cl_facenet import gallery
from experiments.turns import serve

DIMS, PHOTOS_A_PERSON, COUNT = 128, 4, 5
ENOUGH = (COUNT - 1) * PHOTOS_A_PERSON + 1  # photos, for so many people among them

Search = Callable[[np.ndarray], np.ndarray]  # probes [P, D] -> people [P, COUNT]


def units(vectors: np.ndarray) -> np.ndarray:
    """Of length 1, in place."""
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def made(num_photos: int) -> np.ndarray:
    """Photos [G, D] around the people that they are of, in turn."""
    rng = np.random.default_rng(0)
    people = rng.standard_normal((num_photos // PHOTOS_A_PERSON, DIMS), np.float32)
    vectors = rng.standard_normal((num_photos, DIMS), np.float32)
    for photo in range(PHOTOS_A_PERSON):
        vectors[photo::PHOTOS_A_PERSON] += people
    return units(vectors)


def enrolled_with(large: int, vectors: np.ndarray) -> Search:
    """Ours, with faiss from more than so many photos on."""
    gallery.LARGE = large
    names = [f"{row // PHOTOS_A_PERSON:08}" for row in range(len(vectors))]
    enrolled = gallery.Gallery(names, vectors)
    return lambda probes: np.array(
        [[int(one.person) for one in own] for own in enrolled.nearest(probes, COUNT)]
    )


def loop(vectors: np.ndarray) -> Search:
    """By the definition."""
    chunk = 65_536
    rows = np.arange(len(vectors)) // PHOTOS_A_PERSON

    def nearest(probe: np.ndarray) -> np.ndarray:
        distances = np.concatenate(
            [
                np.square(vectors[start : start + chunk] - probe).sum(-1)
                for start in range(0, len(vectors), chunk)
            ]
        )
        by_person = np.full(rows[-1] + 1, np.inf, np.float32)
        np.minimum.at(by_person, rows, distances)
        return np.argsort(by_person, kind="stable")[:COUNT]

    return lambda probes: np.array([nearest(probe) for probe in probes])


def index(vectors: np.ndarray) -> Search:
    """faiss's, with as many threads as it likes."""
    import faiss

    index = faiss.IndexFlatIP(DIMS)
    index.add(vectors)

    def people(probes: np.ndarray) -> np.ndarray:
        _, rows = index.search(probes, ENOUGH)
        return np.array(
            [list(dict.fromkeys(own))[:COUNT] for own in rows // PHOTOS_A_PERSON]
        )

    return people


SIDES: dict[str, Callable[[np.ndarray], Search]] = {
    "numpy": lambda vectors: enrolled_with(len(vectors), vectors),
    "faiss": lambda vectors: enrolled_with(0, vectors),
    "loop": loop,
    "index": index,
}


def main() -> None:
    """Searches once, and then whenever it is asked to."""
    side, num_photos, num_probes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    vectors = made(num_photos)
    rng = np.random.default_rng(1)
    asked = vectors[rng.integers(0, num_photos, num_probes)]
    noise = rng.standard_normal(asked.shape, np.float32)
    probes = units(asked + noise / np.sqrt(DIMS, dtype=np.float32))
    search = SIDES[side](vectors)
    search(probes)
    serve(
        lambda: search(probes), {"people": lambda: {"people": search(probes).tolist()}}
    )


if __name__ == "__main__":
    main()
