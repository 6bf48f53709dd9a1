"""Photos of a folder embedded some at a time: whatever fails, rows and names agree."""

import numpy as np
import pytest
from export.embedders import embedder_of
from faces import folder_of_faces
from PIL import Image

from cl_facenet import embed_photos
from cl_facenet.embed_photos import embed_folder
from cl_facenet.errors import InputError


@pytest.fixture
def faces(tmp_path):
    folder = folder_of_faces(tmp_path / "faces")
    (folder / "person 1/1.jpg").write_text("hello")
    return folder


@pytest.mark.parametrize("chunk", [3, 5, 256])
def test_rows_are_of_the_photos_that_were_read(chunk, tiny, faces, monkeypatch):
    monkeypatch.setattr(embed_photos, "CHUNK", chunk)
    embedder = embedder_of("tiny", "openface", 32)
    found = embed_folder(embedder, faces, skip_unreadable=True, with_thumbnails=True)
    assert found.unreadable == ["person 1/1.jpg"]
    assert len(found.names) == len(found.thumbnails) == 11
    expected = embedder([faces / name for name in found.names])
    np.testing.assert_allclose(found.vectors, expected, atol=1e-6)
    with pytest.raises(InputError, match=r"person 1.1\.jpg: unreadable photo"):
        embed_folder(embedder, faces, skip_unreadable=False)


def test_photos_without_a_face_are_named(tiny, tmp_path):
    Image.new("RGB", (64, 64), "grey").save(tmp_path / "wall.png")
    embedder = embedder_of("tiny", "openface", 32, align="dlib")
    found = embed_folder(embedder, tmp_path, skip_unreadable=False)
    assert (found.names, found.no_face) == (["wall.png"], ["wall.png"])
