import io

import matplotlib.style
import numpy as np
import pytest

from cl_facenet.evaluation.classification import classify
from cl_facenet.evaluation.figures import (
    STYLE,
    EmbeddingMap,
    draw_confusion,
    draw_embeddings,
    unwritable,
)

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
