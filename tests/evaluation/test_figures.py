import io
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import matplotlib.style
import numpy as np
import pytest
from matplotlib.text import Text

from cl_facenet.evaluation import roc
from cl_facenet.evaluation.classification import classify
from cl_facenet.evaluation.embedding_map import EmbeddingMap, draw_embeddings
from cl_facenet.evaluation.figures import (
    STYLE,
    draw_confusion,
    draw_roc,
    draw_training,
    our_style,
    unwritable,
)
from cl_facenet.evaluation.published import Curve
from cl_facenet.evaluation.verification import verify

# Mandarin, Korean, Hindi, Thai; a control character has no glyph either.
FOREIGN = {2: "王芳", 3: "김철수", 5: "प्रिया", 6: "สมชาย", 8: "a\tb"}
PEOPLE = ["Zoë", "王芳", "김철수", "Жан_1", "प्रिया", "สมชาย", "שרה $5", "a\tb"]
SHOWN = ["Zoë", "person 2", "person 3", "Жан 1", "person 5", "person 6"]
SHOWN += [r"שרה \$5", "person 8"]


def texts_of(figure):
    """What a picture says, once it could be drawn (missing glyphs are warned of)."""
    figure.savefig(io.BytesIO())
    (axes, *_) = figure.axes
    ticks = [tick.get_text() for tick in axes.get_yticklabels()]
    return ticks + [text.get_text() for text in axes.texts]


@pytest.fixture(autouse=True)
def style():
    with matplotlib.style.context(["default", STYLE]):
        yield


def test_names_without_glyphs_get_a_number():
    assert unwritable(PEOPLE) == FOREIGN
    assert unwritable(["王芳", "Ren\udce9", "x" * 40]) == {1: "王芳"}
    assert unwritable([]) == {}


def test_a_confusion_matrix_of_any_names():
    labels = np.arange(8)
    figure = draw_confusion(classify(labels, labels, num_classes=8), PEOPLE)
    assert texts_of(figure)[:8] == SHOWN


def test_a_map_of_any_names():
    vectors = np.eye(8)
    figure = draw_embeddings(EmbeddingMap(vectors, np.arange(8), vectors, PEOPLE))
    assert texts_of(figure) == SHOWN


def test_no_title_of_the_curves_is_cut_off():
    """They are wider than their axes, of which the layout does not know."""
    keys = ("accuracy", "center_gradient_share", "center_movement")
    keys += ("within_between_ratio", "loss", "identity_loss", "center_loss")
    rows = [{f"train/{key}": 0.5 for key in keys} | {"step": n} for n in range(9, 1300)]
    figure = draw_training(rows)
    figure.draw_without_rendering()
    titles = [
        text
        for axes in figure.axes
        for text in axes.get_children()
        if isinstance(text, Text) and text.get_text()
    ]
    assert len(titles) == 4
    for title in titles:
        assert title.get_window_extent().x1 <= figure.bbox.x1


def test_names_on_the_map_are_not_over_one_another():
    people = [f"somebody called {number}" for number in range(12)]
    rng = np.random.default_rng(0)
    photos = rng.normal(size=(120, 8)) + 4 * np.repeat(np.eye(12)[:, :8], 10, axis=0)
    centers = photos.reshape(12, 10, 8).mean(1)
    shown = EmbeddingMap(photos, np.arange(120) // 10, centers, people)
    figure = draw_embeddings(shown)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    boxes = [name.get_window_extent() for name in axes.texts]
    assert len(boxes) == 12
    for box, other in itertools.combinations(boxes, 2):
        assert not box.overlaps(other)
    for box in boxes:
        assert axes.bbox.contains(*box.min)
        assert axes.bbox.contains(*box.max)


def test_published_curves_are_behind_ours(monkeypatch):
    monkeypatch.setattr(roc, "MIN_FALSE_ACCEPTS", 0)
    people = np.arange(20)
    identities = np.stack([people, people // 10 * 10], axis=1)
    scores = verify(
        np.arange(20) / 10,
        identities,
        identities[:, 0] == identities[:, 1],
        people % 2,
        identities=identities,
        seed=0,
        protocol="by hand",
    )
    rates = np.array([0, 0.5, 1])
    names = ["_deep_face", "$1", "王芳"]
    figure = draw_roc(scores, [Curve(name, rates, rates) for name in names])
    figure.savefig(io.BytesIO())
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels[0] == "this model"
    assert labels[-4:] == ["chance", " deep face", r"\$1", "curve 3"]
    for axes in figure.axes:
        ours, *others = [line for line in axes.lines if len(line.get_xdata()) > 1]
        assert ours.get_label() == "this model"
        assert all(other.get_zorder() < ours.get_zorder() for other in others)
        np.testing.assert_array_equal(ours.get_ydata(), scores.tpr)
    assert len(draw_roc(scores).legends[0].get_texts()) == 5
    untold = replace(scores, tar_at_far=dict.fromkeys(scores.tar_at_far))
    labels = [text.get_text() for text in draw_roc(untold).legends[0].get_texts()]
    assert not any(label.startswith("TAR") for label in labels)


def test_the_user_s_own_style_is_back_when_two_threads_have_drawn():
    """Though the one that is first to begin is the first to end."""
    before = dict(matplotlib.rcParams)
    one_draws, other_draws, one_is_through = (threading.Event() for _ in range(3))

    def one():
        with our_style():
            one_draws.set()
            other_draws.wait(0.1)
        one_is_through.set()

    def other():
        one_draws.wait()
        with our_style():
            assert matplotlib.rcParams["font.size"] == STYLE["font.size"]
            other_draws.set()
            one_is_through.wait()

    with ThreadPoolExecutor(2) as pool:
        for drawing in [pool.submit(one), pool.submit(other)]:
            drawing.result()
    assert dict(matplotlib.rcParams) == before
