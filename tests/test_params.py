"""Surgery on trees."""

import numpy as np
import pytest

from cl_facenet import drop_head
from cl_facenet.params import count, leaves

PARAMS = {
    "trunk": {"conv": {"kernel": np.ones((3, 3)), "bias": np.ones(3)}},
    "embedding": {"kernel": np.ones((3, 2))},
    "logits": {"kernel": np.ones((2, 5))},
}


def test_drop_head_drops_the_head_alone_and_copies_nothing():
    dropped = drop_head(PARAMS)
    assert list(dropped) == ["trunk", "embedding"]
    assert dropped["trunk"] is PARAMS["trunk"]
    assert "logits" in PARAMS
    assert drop_head(dropped) == dropped


def test_drop_head_of_something_else_is_an_error():
    with pytest.raises(KeyError, match="no 'embedding'"):
        drop_head({"params": PARAMS})


def test_leaves_and_count():
    assert [path for path, _ in leaves(PARAMS)] == [
        "trunk/conv/kernel",
        "trunk/conv/bias",
        "embedding/kernel",
        "logits/kernel",
    ]
    assert count(PARAMS) == 9 + 3 + 6 + 10
