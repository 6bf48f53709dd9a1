"""People made of two: who, of which photos, and what they look like."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_facenet.data.align import ALIGNMENTS
from cl_facenet.data.augment import Augment
from cl_facenet.data.composites import (
    REGIONS,
    compose,
    draw_composites,
    face_masks,
)
from cl_facenet.data.pipeline import train_batches
from cl_facenet.data.preprocessing import Preprocessing
from cl_facenet.data.records import prepare
from cl_facenet.data.synthetic import synthetic_source
from cl_facenet.errors import InputError

SIZE = 96
FIVE_POINTS = ("dlib5", "dlib5_head")


@st.composite
def drawn(draw):
    """Photos of some people, at rows 100 on, and composites of them."""
    counts = draw(st.lists(st.integers(1, 4), min_size=2, max_size=6))
    labels = draw(st.permutations(np.repeat(range(len(counts)), counts).tolist()))
    possible = 2 * len(counts) * (len(counts) - 1)
    number, each = draw(st.integers(1, possible)), draw(st.integers(1, 5))
    indices = 100 + np.arange(len(labels))
    composites = draw_composites(
        indices,
        np.array(labels),
        num_people=number,
        photos_each=each,
        masks=np.zeros((2, 4, 4), np.float32),
        seed=draw(st.integers(0, 9)),
    )
    return dict(zip(indices.tolist(), labels, strict=True)), composites, each


@given(drawn())
def test_each_is_made_of_two_people_by_one_region(drawn):
    who, composites, _ = drawn
    made = {}
    for k, label in enumerate(composites.labels.tolist()):
        head, face = int(composites.heads[k]), int(composites.faces[k])
        recipe = (who[head], who[face], int(composites.regions[k]))
        assert recipe[0] != recipe[1]
        assert made.setdefault(label, recipe) == recipe
    assert list(made) == list(range(composites.num_people))
    assert len(set(made.values())) == len(made)  # no two are the same


@given(drawn())
def test_each_has_so_many_photos_all_different(drawn):
    who, composites, each = drawn
    counts = np.bincount(list(who.values()))
    of = zip(composites.labels, composites.heads, composites.faces, strict=True)
    photos = {}
    for label, head, face in of:
        photos.setdefault(label, []).append((int(head), int(face)))
    for mine in photos.values():
        head, face = mine[0]
        assert len(mine) == min(each, counts[who[head]] * counts[who[face]])
        assert len(set(mine)) == len(mine)


def test_the_seed_decides():
    def heads(seed):
        return draw_composites(
            np.arange(20),
            np.arange(20) // 2,
            num_people=30,
            photos_each=2,
            masks=np.zeros((2, 4, 4)),
            seed=seed,
        ).heads.tolist()

    assert heads(1) == heads(1) != heads(2)


def test_more_than_can_be_made():
    with pytest.raises(InputError, match=r"people is 5: of 2 people 4 can be made"):
        draw_composites(
            np.arange(4),
            np.array([0, 0, 1, 1]),
            num_people=5,
            photos_each=1,
            masks=np.zeros((2, 4, 4)),
            seed=0,
        )


@pytest.mark.parametrize("align", FIVE_POINTS)
def test_what_is_of_the_face(align):
    """Eyes and mouth of the one region, of the other the mouth alone."""
    masks = dict(zip(REGIONS, face_masks(align, SIZE), strict=True))
    points = np.rint(ALIGNMENTS[align].template(SIZE)).astype(int)

    def at(region):
        return [masks[region][y, x] for x, y in points]

    assert min(at("inner")) > 0.75
    assert max(at("lower")[:2]) < 0.2
    assert min(at("lower")[3:]) > 0.8
    assert max(mask[0].max() for mask in masks.values()) < 0.1  # hair and forehead
    assert masks["inner"][:, 0].max() < 0.1  # and ears


@pytest.mark.parametrize("align", ["none", "dlib"])
def test_photos_aligned_by_other_points(align):
    with pytest.raises(
        InputError, match=f"by dlib5 or dlib5_head, these are by {align}"
    ):
        face_masks(align, SIZE)


def test_compose_leaves_the_head_and_takes_the_face():
    rng = np.random.default_rng(0)
    head = rng.integers(0, 100, (8, 8, 3), np.uint8)
    face = rng.integers(100, 256, (8, 8, 3), np.uint8)
    mask = np.zeros((8, 8), np.float32)
    mask[2:6, 2:6] = 1
    made = compose(head, face, mask)
    inside = mask > 0
    np.testing.assert_array_equal(made[~inside], head[~inside])
    mine, theirs, original = (x[inside].astype(float) for x in (made, face, head))
    np.testing.assert_allclose(mine.mean(0), original.mean(0), atol=1.5)
    np.testing.assert_allclose(mine.std(0), original.std(0), rtol=0.05)
    for channel in range(3):  # the face's features in the head's colours
        correlation = np.corrcoef(mine[:, channel], theirs[:, channel])[0, 1]
        assert correlation > 0.99


def test_compose_of_plain_colours():
    """No spread to match: nothing is blown up or divided by zero."""
    head, face = (np.full((4, 4, 3), value, np.uint8) for value in (200, 20))
    made = compose(head, face, np.full((4, 4), 0.5, np.float32))
    np.testing.assert_array_equal(made, head)


@pytest.mark.parametrize("photos_per_person", [0, 2])
def test_batches_have_them_behind_the_people_trained_on(tmp_path, photos_per_person):
    records = prepare(
        synthetic_source(4, 3, seed=0),
        Preprocessing("none", 16),
        cache_dir=tmp_path,
        skip_unreadable=False,
    )
    indices = np.arange(len(records))
    mask = np.linspace(0, 1, 256, dtype=np.float32).reshape(1, 16, 16)
    composites = draw_composites(
        indices, records.labels, num_people=5, photos_each=2, masks=mask, seed=0
    )
    wanted = {
        (4 + int(label), composites.image(k, records).tobytes())
        for k, label in enumerate(composites.labels)
    } | {
        (int(label), records.image(k).tobytes())
        for k, label in enumerate(records.labels)
    }
    batches = train_batches(
        records,
        indices,
        records.labels,
        composites,
        batch_size=4,
        photos_per_person=photos_per_person,
        num_epochs=4,
        seed=0,
        augment=Augment(),
        num_threads=0,
    )
    seen = set()
    for batch in jax.device_get(list(batches)):
        for label, image in zip(batch["label"], batch["image"], strict=True):
            seen.add((int(label), image.tobytes()))
    assert seen <= wanted
    assert {label for label, _ in seen} == set(range(9))
    if not photos_per_person:
        assert seen == wanted  # 22 photos an epoch, each once
