from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from evaluation.made_up_run import (
    EVIL,
    LABELS,
    NOTHING,
    made_up_run,
    verify_all,
)
from PIL import Image

from cl_facenet.evaluation import roc
from cl_facenet.evaluation.classification import classify
from cl_facenet.evaluation.embedding_map import EmbeddingMap
from cl_facenet.evaluation.identification import enrol, identify
from cl_facenet.evaluation.report import write_report


class Page(HTMLParser):
    """What a page shows, and what it takes from elsewhere."""

    def __init__(self, path):
        super().__init__()
        self.starts, self.text, self.links = [], "", []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        self.starts.append((tag, dict(attrs)))
        self.links += [value for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data):
        self.text += data

    @property
    def tags(self):
        return [tag for tag, _ in self.starts]

    @property
    def images(self):
        return [attributes for tag, attributes in self.starts if tag == "img"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_report(tmp_path_factory.mktemp("run") / "report", **made_up_run())


def test_every_picture_is_there_and_shows_something(path):
    assert path.name == "index.html"
    images = Page(path).images
    names = ["roc", "distances", "hardest", "embeddings", "confusion", "training"]
    assert [image["src"] for image in images] == [f"{name}.png" for name in names]
    for image in images:
        assert len(image["alt"]) > 20
        with Image.open(path.parent / image["src"]) as picture:
            assert picture.width == pytest.approx(2 * int(image["width"]), abs=2)
            assert np.asarray(picture.convert("L")).std() > 5


def test_nothing_comes_from_the_network_or_runs(path):
    page, source = Page(path), path.read_text("utf-8")
    assert "http:" not in source
    assert "https:" not in source
    assert "script" not in page.tags
    for link in set(page.links) - {"data:,"}:
        assert (path.parent / link).is_file()


def test_rates_that_the_pairs_tell_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(roc, "MIN_FALSE_ACCEPTS", 0)
    content = made_up_run.__wrapped__()
    text = " ".join(Page(write_report(tmp_path, **content)).text.split())
    tar = content["verification"].tar_at_far[0.01]
    low, high = content["verification"].intervals.tar_at_far[0.01]
    assert f"{100 * tar:.1f} % ({100 * low:.1f} to {100 * high:.1f} %)" in text
    assert "n/a" not in text


def test_names_are_shown_as_they_are(path):
    text = Page(path).text
    assert f"A run of {EVIL}" in text
    assert f"name{EVIL}" in text
    assert "all pairs & <more>" in text


def test_names_the_pictures_cannot_write_are_beside_them(path, tmp_path):
    assert "cannot write" not in Page(path).text
    everything = made_up_run()
    people = ["Zoë", "王芳", "Жан", "<김>"]
    shown = replace(everything["embedding_map"], people=people)
    content = everything | {"people": people, "embedding_map": shown}
    text = " ".join(Page(write_report(tmp_path, **content)).text.split())
    words = "cannot write every name: person 2 is 王芳, person 4 is <김>."
    assert text.count(words) == 2  # of the map and of the confusion matrix


def test_the_results_are_told(path):
    text = " ".join(Page(path).text.split())
    scores = made_up_run()["verification"]
    assert "1,200 training steps" in text
    assert "ofRen? photos1,600 crop1, 2, of fit whole share0.25" in text
    assert "24 pairs of the same person and 96 of different people" in text
    assert "Always answering “different” would score 80.0 %" in text
    intervals = scores.intervals
    assert "from the same people drawn anew 1,000 times" in text
    for value, (low, high) in (
        (scores.accuracy_mean, intervals.accuracy_mean),
        (scores.eer, intervals.eer),
    ):
        shown = f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f} %)"
        assert shown in text
    low, high = intervals.auc
    assert f"{scores.auc:.4f} ({low:.4f} to {high:.4f})" in text
    assert f"standard error {100 * scores.accuracy_standard_error:.1f} %" in text
    assert f"{scores.threshold:.3f}" in text
    assert "TAR at FAR 1 %n/aWith a threshold" in text
    assert "96 different pairs do not tell it: a rate is told where it is ten" in text
    assert "DIR at FAR 10 %n/aDetection" in text
    assert "450 pairs of the same person and 4,500 of different people" in text
    assert "from photos of 10 people in faces of <b>: all pairs." in text
    assert "10 % (450 pairs)0.62391.2 % 1 % (45 pairs)0.30955.0 %" in text
    found = made_up_run()["identification"]
    assert "2 people are enrolled, with 2 photos in all; 6 other photos" in text
    assert "8 photos of people not enrolled to be refused" in text
    assert "Protocol: half & <half>." in text
    assert f"Rank 1{100 * found.rank_1:.1f} %" in text.replace(" Rank", "Rank")
    assert "8 such photos do not tell it: a rate is told where it is ten" in text
    assert "The pale curves are published ones" in text
    assert "16 held-out photos of the 4 people trained on" in text
    assert "Guessing would score 25.0" in text


def test_what_there_is_not_is_left_out(tmp_path):
    page = Page(write_report(tmp_path, **made_up_run() | NOTHING))
    assert page.images == []
    headings = ("Verification", "Calibration", "Identification", "Classification")
    for word in (*headings, "Training", "threshold"):
        assert word not in page.text
    assert "no pairs of people never trained on" in page.text
    assert "there are no people never trained on" in page.text
    assert "no photos of them were held out" in page.text
    assert [file.name for file in tmp_path.iterdir()] == ["index.html"]


@pytest.mark.parametrize(
    ("part", "pictures"),
    [
        ("metrics", {"training.png"}),
        ("classification", {"confusion.png"}),
        ("verification", {"roc.png", "distances.png"}),
        ("identification", set()),
    ],
)
def test_each_part_by_itself(tmp_path, part, pictures):
    everything = made_up_run()
    content = everything | NOTHING | {part: everything[part]}
    page = Page(write_report(tmp_path, **content))
    assert {image["src"] for image in page.images} == pictures
    assert ("Verification" in page.text) == (part == "verification")
    assert ("Classification" in page.text) == (part == "classification")
    assert ("Identification" in page.text) == (part == "identification")
    assert "published" not in page.text


def test_nothing_is_missing_where_nothing_is(path):
    assert "What is not here" not in Page(path).text


def test_too_few_pairs_to_calibrate_on_are_said_to_be(tmp_path):
    calibration = replace(made_up_run()["calibration"], thresholds=())
    content = made_up_run() | NOTHING | {"calibration": calibration}
    page = Page(write_report(tmp_path, **content))
    assert "These pairs are too few" in page.text
    assert "table" not in page.tags


def test_headings_and_tables_tell_those_who_do_not_see_them(path):
    page = Page(path)
    assert [tag for tag in page.tags if tag in ("h1", "h2")][:3] == ["h1", "h2", "h2"]
    headers = [attributes for tag, attributes in page.starts if tag == "th"]
    assert len(headers) > 15
    assert all(header["scope"] in ("row", "col") for header in headers)
    tables = [attributes for tag, attributes in page.starts if tag == "table"]
    names = ["Verification", "Calibration", "Identification", "Classification"]
    assert [table["aria-label"] for table in tables] == names


def test_rank_5_where_there_are_more_people(tmp_path):
    labels = np.repeat(np.arange(12), 2)
    found = identify(np.eye(12)[labels], labels, enrol(labels, seed=0), protocol="half")
    content = made_up_run() | NOTHING | {"identification": found}
    text = " ".join(Page(write_report(tmp_path, **content)).text.split())
    assert "Rank 5100.0 % The" in text.replace("%The", "% The")
    assert "Guessing gives 83.3 %." in text


def test_a_perfect_run_without_center_loss(tmp_path):
    embeddings = np.eye(4)[LABELS]
    perfect = verify_all(embeddings, protocol="all pairs")
    metrics = [{"step": 1, "train/loss": 0.1, "train/center_loss": 0.0}]
    content = NOTHING | {"verification": perfect, "metrics": metrics}
    page = Page(write_report(tmp_path, **made_up_run() | content))
    assert len(page.images) == 3


@pytest.mark.parametrize("row", [{"lfw/auc": 0.5}, {"train/loss": float("nan")}])
def test_metrics_without_a_loss_draw_nothing(tmp_path, row):
    content = made_up_run() | NOTHING | {"metrics": [{"step": 1} | row]}
    assert Page(write_report(tmp_path, **content)).images == []


def test_more_people_than_the_axes_can_name(tmp_path):
    people = np.arange(450)
    right = classify(people, people, num_classes=450)
    content = made_up_run() | NOTHING | {"classification": right, "people": []}
    page = Page(write_report(tmp_path, **content))
    assert [image["src"] for image in page.images] == ["confusion.png"]
    assert "The numbers count photos" not in page.text


def test_no_page_before_its_pictures(tmp_path):
    (tmp_path / "roc.png").mkdir()  # so that writing it fails
    with pytest.raises(IsADirectoryError):
        write_report(tmp_path, **made_up_run() | {"embedding_map": None})
    assert not (tmp_path / "index.html").exists()


@pytest.mark.parametrize(
    "vectors",
    [
        np.eye(8)[:1],  # one photo and one center
        np.eye(8)[[0, 1, 2, 0]],
        np.ones((20, 8)),  # collapsed
        np.random.default_rng(1).normal(size=(70, 8)),  # more people than are shown
    ],
    ids=["one", "four", "collapsed", "many"],
)
def test_any_embeddings_can_be_mapped(tmp_path, vectors):
    labels = np.arange(len(vectors)) // 2
    people = [f"person {label}" for label in labels]
    shown = EmbeddingMap(vectors, labels, vectors, people)
    content = made_up_run() | NOTHING | {"embedding_map": shown}
    page = Page(write_report(tmp_path, **content))
    assert [image["src"] for image in page.images] == ["embeddings.png"]


def test_the_map_is_the_same_each_time(path, tmp_path):
    again = write_report(tmp_path, **made_up_run() | {"photos": None})
    first, second = (
        (page.parent / "embeddings.png").read_bytes() for page in (path, again)
    )
    assert first == second
