"""Of each family of uses in experiments/reliability one, and none is wrong."""

import pytest

from experiments.reliability.in_use import FAMILIES

ONE_EACH = {
    "threads": "8 requests at a time to a server",
    "processes": "one folder prepared by two at once",
    "faces": "a verdict as a truth value",
    "layouts": "one folder and a list, as CelebA",
    "formats": "no photo: passed over, counted, named",
    "stale": "prepare folder --out",
}


def test_every_family_is_in_it():
    assert ONE_EACH.keys() == FAMILIES.keys()


@pytest.mark.filterwarnings("ignore::cl_facenet.FaceWarning")  # ORL's are cut close
@pytest.mark.parametrize(("family", "kind"), ONE_EACH.items())
def test_nothing_is_wrong(family, kind, tmp_path):
    found = FAMILIES[family][kind](tmp_path)
    assert found
    assert not any(found), found
