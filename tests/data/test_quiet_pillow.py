"""Pillow's warnings are kept away while photos are read, and nobody else's ever."""

import logging
import threading
import warnings

import pytest
from PIL import Image

from cl_facenet.data.quiet_pillow import QUIET


def warn():
    """As Pillow does."""
    try:
        Image._decompression_bomb_check((10_000, 10_000))
    except Image.DecompressionBombWarning:
        return True
    return False


def test_only_inside_and_only_pillow_s():
    before = list(warnings.filters)
    assert warn()
    with QUIET:
        assert not warn()
        with pytest.warns(UserWarning, match="ours"):
            warnings.warn("ours", UserWarning, stacklevel=1)
    assert warn()
    assert warnings.filters == before


def test_until_the_last_thread_is_out():
    before, level = list(warnings.filters), logging.getLogger("PIL").level
    entered, leave = threading.Event(), threading.Event()

    def stay():
        with QUIET:
            entered.set()
            leave.wait()

    other = threading.Thread(target=stay)
    with QUIET:
        other.start()
        entered.wait()
    assert not warn()  # the first is out, the other is not
    leave.set()
    other.join()
    assert warn()
    assert warnings.filters == before
    assert logging.getLogger("PIL").level == level
