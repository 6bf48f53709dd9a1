"""The trainings of the experiments: the flags that they pass are still flags."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from absl import flags
from ml_collections import config_flags
from sklearn.preprocessing import normalize

from cl_facenet.center_rules import RULES
from cl_facenet.config import base, resolve, validate
from cl_facenet.data.group_table import read_group_table
from cl_facenet.data.pairs import drawn_pairs
from cl_facenet.errors import InputError
from experiments.center_rules.run import DIMS, WEIGHTS
from experiments.center_rules.run import TRAININGS as CENTER_RULES
from experiments.exports.run import WAYS
from experiments.exports.worker import SIDES
from experiments.groups import attributes
from experiments.lfw_recipe import scores, seeds, ways
from experiments.lfw_recipe.final import TRAININGS as LFW_FINAL
from experiments.lfw_recipe.trials import SIDES as LFW_RECIPE_SIDES
from experiments.lfw_recipe.trials import TRIALS as LFW_RECIPE
from experiments.lfw_recipe.view2 import TRAININGS as LFW_VIEW2
from experiments.lfw_view1.run import TRAININGS as LFW_VIEW1
from experiments.losses.run import TRAININGS as LOSSES
from experiments.orl.run import TRAININGS as ORL
from experiments.speed.run import TASKS, ratios_of
from experiments.tutorial.run import TRAININGS as TUTORIAL

ROOT = Path(__file__).parent.parent
ALL = [
    CENTER_RULES,
    LFW_RECIPE,
    LFW_RECIPE_SIDES,
    LFW_FINAL,
    LFW_VIEW2,
    LFW_VIEW1,
    *LOSSES.values(),
    ORL,
    TUTORIAL,
]


# ml_collections loads the file by it.
@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
@pytest.mark.parametrize(
    "given", sorted({tuple(own) for trainings in ALL for own in trainings.values()})
)
def test_every_training_is_one_that_main_takes(given, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["main", *given])  # where overrides are looked up
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values)
    values(["main", *given])
    resolve(values.config)
    validate(values.config)


def test_the_rules_are_compared_at_one_lambda():
    assert {rule.to_lambda(WEIGHTS[name], DIMS) for name, rule in RULES.items()} == {
        1.0
    }


def test_speeds_are_compared_of_sides_that_are_measured():
    one_second = {
        task: {side: {"seconds": 1.0} for side in sides}
        for task, sides in TASKS.items()
    }
    assert set(ratios_of(one_second).values()) == {1.0}


def test_every_way_to_run_an_embedder_is_one_that_a_worker_knows():
    assert {way.side for way in WAYS.values()} == set(SIDES)


def test_groups_of_photos_are_a_table_that_evaluate_takes(tmp_path):
    names = [f"Ann/{n}.jpg" for n in range(6)] + ["Bob/0.jpg", "Cid/0.jpg", "Cid/1.jpg"]
    measured = {key: np.arange(9.0) for key in attributes.THIRDS}
    measured["found"] = np.array([0] + [1] * 8)
    cuts = attributes.write(tmp_path / "groups.csv", names, measured)
    table = read_group_table(tmp_path / "groups.csv")
    assert (table.of, table.rows) == ("photo", names)
    photos = list(table.groupings["photos of the person"].values())
    assert photos == ["3-9"] * 6 + ["1", "2", "2"]
    assert list(table.groupings["detector"].values()).count("no face") == 1
    for key, called in attributes.THIRDS.items():
        assert cuts[key] == pytest.approx([8 / 3, 16 / 3])
        assert list(table.groupings[key].values()) == np.repeat(called, 3).tolist()


def test_view_1_is_scored_by_a_threshold_that_it_had_no_part_in():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(40), 3)
    vectors = normalize(rng.normal(size=(40, 8))[labels] + rng.normal(0, 0.7, (120, 8)))
    verification = scores.verify_all(
        vectors, drawn_pairs(labels, most=3, seed=0), labels
    )
    own = verification.threshold
    best = np.mean((verification.distances < own) == verification.same)
    scored = {
        threshold: scores.by_threshold(verification, labels, threshold)
        for threshold in (own, 0.5 * own, 4.1)
    }
    assert scored[own]["accuracy_mean"] == best
    assert scored[0.5 * own]["accuracy_mean"] < best
    assert scored[4.1]["accuracy_mean"] == 0.5  # everybody is the same person
    low, high = scored[own]["intervals"]["accuracy_mean"]
    assert low < best < high


def test_a_training_that_left_nobody_out_gives_no_threshold():
    """The pairs it was verified on are those that it would be tested on."""
    with pytest.raises(InputError, match="trained on view1: give a training on view1_"):
        scores.exam_of(base("lfw"))


def test_whitened_vectors_are_of_length_1_and_alike_in_every_direction():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(2000, 4)) * [9, 3, 1, 0.1] + 5
    white = ways.whitened(vectors, np.zeros(2000))(vectors)
    np.testing.assert_allclose(np.linalg.norm(white, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(4 * np.cov(white.T), np.eye(4), atol=0.15)


def test_the_discriminant_holds_what_varies_within_people_of_no_account():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(30), 20)
    people = rng.normal(size=(30, 4))[labels] * [1, 1, 1, 0]
    vectors = people + rng.normal(size=(600, 4)) * [0.1, 0.1, 0.1, 2]
    mapped = ways.discriminant(vectors, labels)(vectors)
    np.testing.assert_allclose(np.linalg.norm(mapped, axis=1), 1, rtol=1e-6)

    def within_and_between(own):
        means = np.stack([own[labels == person].mean(0) for person in range(30)])
        return np.square(own - means[labels]).sum(-1).mean(), means.var(0).sum()

    within, between = within_and_between(mapped)
    assert within < 0.2 * between
    within, between = within_and_between(normalize(vectors))
    assert within > 0.8 * between


def test_views_of_a_photo_are_it_mirrored_and_zoomed_about_the_middle():
    down, across = np.mgrid[:96, :96]
    disc = np.hypot(down - 47.5, across - 47.5) < 24
    photos = np.stack([np.stack([255 * disc, 2 * across, across], -1)] * 2)
    photos = photos.astype(np.uint8)
    for view, times in (
        *((ways.as_they_are, 1), (ways.mirrored, 1)),
        *((ways.nearer, 1.1), (ways.nearer_mirrored, 1.1)),
        *((ways.farther, 1 / 1.1), (ways.farther_mirrored, 1 / 1.1)),
    ):
        seen = view(photos)
        assert seen.shape == photos.shape
        assert seen.dtype == np.uint8
        np.testing.assert_array_equal(seen[0], seen[1])
        area = np.mean(seen[0, ..., 0] > 127) / disc.mean()
        assert area == pytest.approx(times**2, rel=0.04)
        rises = seen[0, 48, 70, 1] > seen[0, 48, 20, 1]
        assert rises == (view in (ways.as_they_are, ways.nearer, ways.farther))


class Photos:
    """Records of photos of noise."""

    metadata: ClassVar = {"preprocessing": "as they are"}

    def __init__(self, images):
        self.all = images

    def __len__(self):
        return len(self.all)

    def images(self, rows):
        return self.all[rows]


def test_a_photo_s_vector_is_the_sum_of_its_views_each_embedded_once():
    rng = np.random.default_rng(0)
    photos = Photos(rng.integers(0, 256, (700, 8, 8, 3), dtype=np.uint8))
    to_vectors = rng.normal(size=(8 * 8 * 3, 5))
    seen = []

    def embedder(images, prepared_as):
        assert prepared_as == "as they are"
        seen.extend(images)
        return normalize(images.reshape(len(images), -1) @ to_vectors)

    needed = np.arange(0, 700, 2)
    exam = SimpleNamespace(records=photos, rows=lambda: needed)
    vectors = scores.vectors_of(embedder, exam, tuple(ways.CROPS))
    assert len(seen) == 6 * len(needed)
    for crop, views in ways.CROPS.items():
        assert vectors[crop].shape == (700, 5)
        for row in needed[::50]:
            each = [embedder(view(photos.all[[row]]), "as they are") for view in views]
            expected = np.sum(each, 0)[0]
            expected /= np.linalg.norm(expected)
            np.testing.assert_allclose(vectors[crop][row], expected, atol=1e-6)


def test_sides_differ_when_their_interval_leaves_zero_out(monkeypatch):
    monkeypatch.setattr(seeds, "NUM_DRAWS", 60)
    rng = np.random.default_rng(0)
    people, same = rng.integers(0, 80, (400, 2)), np.arange(400) % 2 == 0
    people[same, 1] = people[same, 0]
    pairs = seeds.Pairs(people, same)

    def side(apart):
        distances = rng.normal(np.where(same, -apart, apart), 1, (3, 400))
        return np.concatenate([np.zeros((3, 1)), distances], 1)

    near, far = side(0.3), side(1.0)
    (accuracy, area), (low, high) = seeds.differences(far, near, pairs, seed=0)
    right = [(own[:, 1:] < 0) == same for own in (far, near)]
    assert accuracy == pytest.approx(right[0].mean() - right[1].mean())
    assert (low > 0).all()
    assert low[1] < area < high[1]
    _, (low, high) = seeds.differences(near, side(0.3), pairs, seed=0)
    assert (low < 0).all()
    assert (high > 0).all()


def test_the_table_of_seeds(monkeypatch):
    monkeypatch.setattr(seeds, "NUM_DRAWS", 5)
    people = [[n, m] for n in range(0, 40, 2) for m in (n, n, n + 1, n + 1)]
    listed = {"people": people, "same": [True, True, False, False] * 20}
    # With each seed another quarter comes out wrong, with both together none.
    distances = [[0.1, 1.4, 1.5, 2.0] * 20, [0.1, 0.2, 0.9, 2.0] * 20]
    known = {
        "pairs": {"view 1": listed, "tune": listed},
        "trainings": {
            seeds.name_of(side, seed): {
                "threshold": 1.0,
                "distances": {"view 1": own, "tune": own},
            }
            for side in LFW_RECIPE_SIDES
            for seed, own in enumerate(distances)
        },
    }
    first, second, *sums = seeds.table(known, 2).splitlines()[2:]
    assert first.startswith("| lambda 0 | 0.750, 0.750 | 1.000, 1.000 |")
    assert second.endswith("| +0.000 (+0.000 to +0.000) " * 3 + "|")
    assert sums[1].startswith("| lambda 10, 2 together | 1.000 | 1.000 |")
