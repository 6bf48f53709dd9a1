"""The page of `cl-facenet cluster` as people see it."""

import shutil

import browser
import pytest
from commands.models import save_tiny
from faces import folder_of_faces
from tiny import TINY

from cl_facenet import cli
from cl_facenet.models.facenet import NETWORKS

LONG = 12 * "averylongname" + ".jpg"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    root = tmp_path_factory.mktemp("sheet")
    photos = folder_of_faces(root / "photos")
    shutil.copy(photos / "person 0/0.jpg", photos / LONG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "tiny", TINY)
        model = save_tiny(root / "model")
        page = root / "who.html"
        line = ["cluster", str(photos), f"--model={model}", f"--out={page}"]
        assert not cli.main(line)
    return page


@pytest.mark.parametrize("width", [browser.PHONE, browser.DESKTOP])
def test_it_reads_well(chromium, path, width):
    seen = browser.look(chromium, path, width)
    browser.check(seen, width)
    assert len(seen.images) == 13
    assert LONG in seen.text
    assert len({image["place"][0] for image in seen.images}) > 2  # beside each other


def test_it_prints_whole_pictures(chromium, path):
    browser.check_print(browser.print_sheets(chromium, path), 13)
