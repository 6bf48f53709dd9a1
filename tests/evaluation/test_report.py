from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from cl_facenet.evaluation.classification import classify
from cl_facenet.evaluation.identification import enrol, identify
from cl_facenet.evaluation.published import Curve
from cl_facenet.evaluation.report import EmbeddingMap, write_report
from cl_facenet.evaluation.verification import squared_distances, verify

EVIL = "<script>alert('x')</script>"
PEOPLE = [
    "a very long name indeed, longer than any axis",
    EVIL,
    r"$\frac$",  # a formula, and a bad one, if matplotlib took it for one
    "Ren\udce9",  # a file name in another encoding
]
LABELS = np.repeat(np.arange(4), 4)
METRICS = [
    {"step": 10, "train/loss": 2.0, "train/identity_loss": 1.5, "train/accuracy": 0.1},
    {"step": 20, "train/loss": 1.0, "train/center_loss": 0.1},
    {"step": 20, "train/loss": 1.1, "train/within_between_ratio": float("nan")},
    {"step": 30, "train/loss": 0.5, "train/center_movement": None},
    {"step": 30, "lfw/accuracy_mean": 0.9},
]


class Page(HTMLParser):
    """What a page shows, and what it takes from elsewhere."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.images, self.text, self.links = [], [], "", []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_data(self, data):
        self.text += data


def _verify(embeddings, protocol):
    """All pairs, in folds that each have both kinds."""
    pairs = np.stack(np.triu_indices(len(LABELS), k=1), axis=1)
    identities = LABELS[pairs]
    same = identities[:, 0] == identities[:, 1]
    return verify(
        squared_distances(embeddings, pairs),
        pairs,
        same,
        np.arange(len(pairs)) % 7,
        identities=identities,
        seed=0,
        protocol=protocol,
    )


@cache
def _everything():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(4, 8))
    embeddings = centers[LABELS] + rng.normal(size=(16, 8))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    points = np.linspace(0, 1, 5)
    return {
        "title": f"A run of {EVIL}",
        "results": {
            "data": {
                "name": EVIL,
                "of": PEOPLE[3],
                "num_photos": 1600,
                "crop": [1, 2],
                "share": 0.25,
            },
            "step": 1200,
        },
        "metrics": METRICS,
        "classification": classify(LABELS, np.roll(LABELS, 2), num_classes=4),
        "people": PEOPLE,
        "verification": _verify(embeddings, protocol="all pairs & <more>"),
        "published": [
            Curve("deep_face $1", points, np.sqrt(points)),
            Curve("王芳", points, points),
            *(Curve(f"method {k}", points, points ** (1 / k)) for k in range(1, 20)),
        ],
        "identification": identify(
            embeddings, LABELS, enrol(LABELS, seed=0), protocol="half & <half>"
        ),
        "photos": rng.integers(0, 255, (16, 12, 10, 3)).astype(np.uint8),
        "embedding_map": EmbeddingMap(embeddings, LABELS, centers, PEOPLE),
    }


NOTHING = {
    "metrics": [],
    "classification": None,
    "verification": None,
    "published": [],
    "identification": None,
    "photos": None,
    "embedding_map": None,
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_report(tmp_path_factory.mktemp("run") / "report", **_everything())


def test_every_picture_is_there_and_shows_something(path):
    assert path.name == "index.html"
    images = Page(path).images
    names = ["roc", "distances", "hardest", "embeddings", "confusion", "training"]
    assert [image["src"] for image in images] == [f"{name}.png" for name in names]
    for image in images:
        assert len(image["alt"]) > 20
        with Image.open(path.parent / image["src"]) as picture:
            assert picture.width == pytest.approx(1.5 * int(image["width"]), abs=2)
            assert np.asarray(picture.convert("L")).std() > 5


def test_nothing_comes_from_the_network_or_runs(path):
    page, source = Page(path), path.read_text("utf-8")
    assert "http:" not in source
    assert "https:" not in source
    assert "script" not in page.tags
    for link in set(page.links) - {"data:,"}:
        assert (path.parent / link).is_file()


def test_names_are_shown_as_they_are(path):
    text = Page(path).text
    assert f"A run of {EVIL}" in text
    assert f"name: {EVIL}" in text
    assert "all pairs & <more>" in text


def test_names_the_pictures_cannot_write_are_beside_them(path, tmp_path):
    assert "cannot write" not in Page(path).text
    everything = _everything()
    people = ["Zoë", "王芳", "Жан", "<김>"]
    shown = replace(everything["embedding_map"], people=people)
    content = everything | {"people": people, "embedding_map": shown}
    text = " ".join(Page(write_report(tmp_path, **content)).text.split())
    words = "cannot write every name: person 2 is 王芳, person 4 is <김>."
    assert text.count(words) == 2  # of the map and of the confusion matrix


def test_the_results_are_told(path):
    text = " ".join(Page(path).text.split())
    scores = _everything()["verification"]
    assert "1,200 training steps" in text
    assert "of: Ren? · photos: 1,600 · crop: 1, 2 · share: 0.25" in text
    assert "24 pairs of the same person and 96 of different people" in text
    assert "Always answering “different” would score 80.0 %" in text
    intervals = scores.intervals
    assert "from the same people drawn anew 1,000 times" in text
    for value, (low, high) in (
        (scores.accuracy_mean, intervals.accuracy_mean),
        (scores.eer, intervals.eer),
        (scores.tar_at_far[0.01], intervals.tar_at_far[0.01]),
    ):
        shown = f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f} %)"
        assert shown in text
    low, high = intervals.auc
    assert f"{scores.auc:.4f} ({low:.4f} to {high:.4f})" in text
    assert f"standard error {100 * scores.accuracy_standard_error:.1f} %" in text
    assert f"{scores.threshold:.3f}" in text
    assert "With only 96 different pairs, none may be accepted." in text
    found = _everything()["identification"]
    assert "2 people are enrolled, with 2 photos in all; 6 other photos" in text
    assert "8 photos of people not enrolled to be refused" in text
    assert "Protocol: half & <half>." in text
    assert f"Rank 1{100 * found.rank_1:.1f} %" in text.replace(" Rank", "Rank")
    assert "With only 8 such photos, none may be given a name." in text
    assert "The pale curves are published ones" in text
    assert "16 held-out photos of the 4 people trained on" in text
    assert "Guessing would score 25.0" in text


def test_what_there_is_not_is_left_out(tmp_path):
    page = Page(write_report(tmp_path, **_everything() | NOTHING))
    assert page.images == []
    for word in (
        "Verification",
        "Identification",
        "Classification",
        "Training",
        "threshold",
    ):
        assert word not in page.text
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
    everything = _everything()
    content = everything | NOTHING | {part: everything[part]}
    page = Page(write_report(tmp_path, **content))
    assert {image["src"] for image in page.images} == pictures
    assert ("Verification" in page.text) == (part == "verification")
    assert ("Classification" in page.text) == (part == "classification")
    assert ("Identification" in page.text) == (part == "identification")
    assert "published" not in page.text


def test_rank_5_where_there_are_more_people(tmp_path):
    labels = np.repeat(np.arange(12), 2)
    found = identify(np.eye(12)[labels], labels, enrol(labels, seed=0), protocol="half")
    content = _everything() | NOTHING | {"identification": found}
    text = " ".join(Page(write_report(tmp_path, **content)).text.split())
    assert "Rank 5100.0 % The" in text.replace("%The", "% The")
    assert "Guessing gives 83.3 %." in text


def test_a_perfect_run_without_center_loss(tmp_path):
    embeddings = np.eye(4)[LABELS]
    perfect = _verify(embeddings, protocol="all pairs")
    metrics = [{"step": 1, "train/loss": 0.1, "train/center_loss": 0.0}]
    content = NOTHING | {"verification": perfect, "metrics": metrics}
    page = Page(write_report(tmp_path, **_everything() | content))
    assert len(page.images) == 3


@pytest.mark.parametrize("row", [{"lfw/auc": 0.5}, {"train/loss": float("nan")}])
def test_metrics_without_a_loss_draw_nothing(tmp_path, row):
    content = _everything() | NOTHING | {"metrics": [{"step": 1} | row]}
    assert Page(write_report(tmp_path, **content)).images == []


def test_more_people_than_the_axes_can_name(tmp_path):
    people = np.arange(450)
    right = classify(people, people, num_classes=450)
    content = _everything() | NOTHING | {"classification": right, "people": []}
    page = Page(write_report(tmp_path, **content))
    assert [image["src"] for image in page.images] == ["confusion.png"]
    assert "The numbers count photos" not in page.text


def test_no_page_before_its_pictures(tmp_path):
    (tmp_path / "roc.png").mkdir()  # so that writing it fails
    with pytest.raises(IsADirectoryError):
        write_report(tmp_path, **_everything() | {"embedding_map": None})
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
    content = _everything() | NOTHING | {"embedding_map": shown}
    page = Page(write_report(tmp_path, **content))
    assert [image["src"] for image in page.images] == ["embeddings.png"]


def test_the_map_is_the_same_each_time(path, tmp_path):
    again = write_report(tmp_path, **_everything() | {"photos": None})
    first, second = (
        (page.parent / "embeddings.png").read_bytes() for page in (path, again)
    )
    assert first == second
