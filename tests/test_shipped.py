"""The embedder that comes with the package is what its card says."""

import json
import re
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cl_facenet
from cl_facenet import shipped
from cl_facenet.errors import InputError
from experiments.lfw_recipe import card

NAME = "nn4_small2_lfw"
LFW = Path(__file__).parents[2] / "shared/data/lfw"
EXPERIMENTS = Path(__file__).parents[1] / "experiments"
needs_lfw = pytest.mark.skipif(not LFW.is_dir(), reason="needs ../shared/data/lfw")


@pytest.fixture(scope="module")
def embedder():
    return cl_facenet.load(NAME)


def test_it_is_small():
    files = list(shipped.folder_of(NAME).iterdir())
    assert sum(path.stat().st_size for path in files) <= 8_000_000


def test_its_card(embedder):
    own = embedder.card
    assert (own.architecture.name, own.architecture.graph) == (
        *("nn4.small2", "openface"),
    )
    assert own.trained_on.data == "lfw-deep-funneled"
    assert len(own.trained_on.people) == 1184
    assert embedder.preprocessing.align == "dlib5_head"
    verification = own.results["verification"]
    assert verification["protocol"].startswith("LFW view 1")
    assert verification["num_pairs"] == 1000
    low, high = verification["intervals"]["accuracy_mean"]
    assert 0.7 < low < verification["accuracy_mean"] < high < 1
    about = embedder.calibration.calibrated_on
    assert about.num_people > 1000
    assert embedder.calibration.at(0.001).true_accept_rate > 0.1


def test_its_card_has_the_errors_by_groups_that_were_measured(embedder):
    measured = json.loads((EXPERIMENTS / "groups/results.json").read_text())
    groups = embedder.card.groups
    assert groups == measured["results"]["groups"]
    calibration = embedder.calibration
    assert groups["threshold"]["values"] == [calibration.at(0.01).threshold]
    pairs = calibration.calibrated_on
    assert groups["overall"]["num_same_pairs"] == pairs.num_same_pairs
    assert groups["overall"]["num_different_pairs"] == pairs.num_different_pairs


def test_its_card_has_what_its_recipe_gets(embedder, monkeypatch):
    """On both views of LFW, beside other losses; and what center loss adds to one."""
    recipe = embedder.card.recipe
    monkeypatch.setattr(card, "center_loss", lambda: recipe["center_loss"])  # 10 s
    assert recipe == card.recipe()
    assert recipe["view2"]["num_pairs"] == 6000
    own = recipe["view1"]["the recipe: this embedder"]
    verification = embedder.card.results["verification"]
    assert own["auc"] == pytest.approx(verification["auc"], abs=2e-3)
    low, high = own["accuracy_interval"]
    assert low < own["accuracy"] < high
    alone = recipe["view1"]["softmax"]
    assert 0.5 < alone["auc"] < own["auc"]
    added = recipe["center_loss"]["on"]["view 1"]["AUC"]
    low, high = added["interval"]
    assert low < added["difference"] < high


@needs_lfw
def test_nobody_it_is_judged_on_was_trained_on(embedder):
    lines = (LFW / "peopleDevTest.txt").read_text().splitlines()[1:]
    tested = {line.split()[0] for line in lines}
    assert len(tested) == 1711
    assert tested.isdisjoint(embedder.card.trained_on.people)


@needs_lfw
def test_photos_of_people_it_has_never_seen(embedder):
    """The first pairs of view 1's test, through alignment, mostly come out right."""
    rows = [
        line.split() for line in (LFW / "pairsDevTest.txt").read_text().splitlines()
    ]
    same = [(r[0], int(r[1]), r[0], int(r[2])) for r in rows[1:] if len(r) == 3][:8]
    different = [(r[0], int(r[1]), r[2], int(r[3])) for r in rows if len(r) == 4][:8]
    wanted = {
        f"lfw-deepfunneled/{name}/{name}_{number:04}.jpg"
        for a, m, b, n in same + different
        for name, number in ((a, m), (b, n))
    }
    photos = {}
    with tarfile.open(LFW / "lfw-deepfunneled.tgz") as archive:
        for member in archive:
            if member.name in wanted:
                content = archive.extractfile(member).read()
                photos[member.name] = Image.open(BytesIO(content))

    def photo(name, number):
        return photos[f"lfw-deepfunneled/{name}/{name}_{number:04}.jpg"]

    verdicts = [
        embedder.verify(photo(a, m), photo(b, n), false_accept_rate=0.1).same
        for a, m, b, n in same + different
    ]
    right = np.array(verdicts) == np.repeat([True, False], 8)
    assert right.mean() >= 0.7


def test_another_name_is_an_error_that_names_it():
    with pytest.raises(InputError, match=f"nor the name of a shipped one \\({NAME}\\)"):
        cl_facenet.load("nn4_small3_lfw")


def test_walls_are_nobody(embedder):
    """A grey square and noise were 0.609 apart, "the same person"."""
    pytest.importorskip("dlib")
    grey = Image.new("RGB", (250, 250), "grey")
    noise = Image.effect_noise((250, 250), 60).convert("RGB")
    verdict = embedder.verify(grey, noise)
    assert (verdict.same, verdict.distance) == (None, None)
    assert verdict.reason == "no face found in the first and the second photo"
    with pytest.raises(InputError, match="no verdict"):
        bool(verdict)
    with pytest.warns(cl_facenet.MissingFaceWarning, match="in 2 of 2 photos"):
        assert np.isnan(embedder([grey, noise])).all()
    assert embedder.verify(grey, noise, on_missing_face="assume").same is not None


@needs_lfw
def test_of_two_people_it_is_said_who_was_taken(embedder):
    pytest.importorskip("dlib")
    with tarfile.open(LFW / "lfw-deepfunneled.tgz") as archive:
        member = next(one for one in archive if one.name.endswith(".jpg"))
        one = Image.open(archive.extractfile(member)).convert("RGB")
    both = Image.new("RGB", (500, 250))
    both.paste(one, (0, 0))
    both.paste(one, (250, 0))
    verdict = embedder.verify(one, both)
    assert verdict
    assert [face.num_faces for face in verdict.faces] == [1, 2]
    (note,) = verdict.notes
    assert re.fullmatch(r"second photo: 2 faces; the one at \(.*\) was taken", note)
    tight = one.crop(verdict.faces[0].box)
    (note,) = embedder.verify(one, tight.resize((300, 300))).notes
    assert re.fullmatch(
        r"second photo: \d\d % of the crop lies outside the photo", note
    )
