"""A path is on this machine, or is refused by name."""

from pathlib import Path

import pytest

from cl_facenet.errors import UsageError
from cl_facenet.paths import local_path


@pytest.mark.parametrize(
    "path",
    [
        "gs://b/run",
        "s3://b/run",
        "hdfs://b/run",
        "gs:/b/run",
        " gs://b/run",
        "./gs://b/run",
        Path("gs://b/p"),
    ],
)
def test_a_url_is_refused_by_its_scheme(path):
    with pytest.raises(
        UsageError, match=r"^[ ./]*(gs|s3|hdfs):/+b.* paths are not supported"
    ):
        local_path(path)


@pytest.mark.parametrize(
    "path", ["runs/a", "runs/a:b/c", "c:/faces", "a b", "~old/runs"]
)
def test_any_other_path_is_taken_as_it_is(path):
    assert local_path(path) == Path(path)


def test_the_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert local_path("~/runs") == Path("/home/ada/runs")
