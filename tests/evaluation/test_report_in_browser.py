"""The report as people see it: on a phone, on a desk, on paper."""

import browser
import numpy as np
import pytest
from evaluation.made_up_run import EVIL, NOTHING, made_up_run

from cl_facenet.evaluation.classification import classify
from cl_facenet.evaluation.report import write_report

FIGURES = {  # and how their captions begin
    "roc": "Receiver operating characteristic",
    "distances": "Squared distances between",
    "hardest": "The number is the squared distance",
    "embeddings": "Each small mark is a photo",
    "confusion": "Confusion matrix of",
    "training": "Pale: as logged",
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_report(tmp_path_factory.mktemp("run") / "report", **made_up_run())


@pytest.mark.parametrize("width", [browser.PHONE, browser.DESKTOP])
def test_it_reads_well(chromium, path, width):
    seen = browser.look(chromium, path, width)
    browser.check(seen, width)
    assert [image["source"] for image in seen.images] == [f"{n}.png" for n in FIGURES]
    assert len(seen.tables) == 4
    assert seen.text.startswith(f"A run of {EVIL}")
    assert "Accuracy" in seen.text


def test_pictures_shrink_only_as_far_as_their_text_can_be_read(chromium, path):
    """10 points are 13 pixels; what is too wide then scrolls by itself."""
    for image in browser.look(chromium, path, browser.PHONE).images:
        assert image["place"][2] >= 0.64 * image["pixels"] / 2


def test_pictures_are_printed_whole_with_their_captions(chromium, path):
    sheets = browser.print_sheets(chromium, path)
    browser.check_print(sheets, len(FIGURES))
    for sheet in sheets:
        captions = sum(sheet.text.count(caption) for caption in FIGURES.values())
        assert sheet.num_images == captions
    assert len(sheets) < 9


@pytest.mark.parametrize("width", [browser.PHONE, browser.DESKTOP])
def test_long_names_and_nothing_measured(chromium, tmp_path, width):
    name = 40 * "averylongname"
    results = {"data": {"source": name, name: 1}, "step": 1}
    content = made_up_run() | NOTHING | {"title": name, "results": results}
    path = write_report(tmp_path, **content)
    browser.check(browser.look(chromium, path, width), width)
    browser.check_print(browser.print_sheets(chromium, path), 0)


def test_forty_long_names_on_a_phone(chromium, tmp_path):
    """The greatest confusion matrix with names at its sides scrolls by itself."""
    people = [f"{number}, of a very long name" for number in range(40)]
    labels = np.arange(40)
    right = classify(labels, np.roll(labels, 1), num_classes=40)
    content = NOTHING | {"classification": right, "people": people}
    path = write_report(tmp_path, **made_up_run() | content)
    seen = browser.look(chromium, path, browser.PHONE)
    browser.check(seen, browser.PHONE)
    (image,) = seen.images
    assert image["place"][2] > browser.PHONE
    browser.check_print(browser.print_sheets(chromium, path), 1)
