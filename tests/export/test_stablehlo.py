"""StableHLO: the same vectors in a process without Flax, for any number of photos."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest
from export.embedders import embedder_of, photos
from export.test_networks import SIZES
from jax import export

from cl_facenet.embedder import make_embed
from cl_facenet.errors import InputError
from cl_facenet.export.stablehlo import PLATFORMS, save_stablehlo
from cl_facenet.models.facenet import NETWORKS, abstract_variables, create_model

READ_AND_CALL = """
import sys
import numpy as np
from jax import export

folder = sys.argv[1]
with open(f"{folder}/embedder.stablehlo", "rb") as file:
    program = export.deserialize(bytearray(file.read()))
images = np.load(f"{folder}/images.npy")
for number in (1, 3, 6):
    np.save(f"{folder}/{number}.npy", program.call(images[:number]))
print(*sys.modules)
"""


@pytest.fixture
def embedder(tiny):
    return embedder_of("tiny", "openface", 32)


def test_it_is_called_where_there_is_no_flax(embedder, tmp_path):
    folder = tmp_path / "faces"
    assert 0 <= save_stablehlo(embedder, folder) < 1e-6
    images = photos(6, 32)
    np.save(folder / "images.npy", images)
    command = [sys.executable, "-c", READ_AND_CALL, str(folder)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    loaded = {name.split(".")[0] for name in run.stdout.split()}
    assert not loaded & {"flax", "cl_facenet"}
    for number in (1, 3, 6):
        vectors = np.load(folder / f"{number}.npy")
        np.testing.assert_allclose(vectors, embedder(images[:number]), atol=1e-6)


def test_the_folder_says_how_to_feed_it(embedder, tmp_path):
    save_stablehlo(embedder, tmp_path / "faces")
    assert sorted(path.name for path in (tmp_path / "faces").iterdir()) == [
        "about.json",
        "embedder.stablehlo",
    ]
    about = json.loads((tmp_path / "faces/about.json").read_text())
    assert about["images"] == "uint8 [batch, height, width, 3], RGB"
    assert about["embeddings"] == "float32 [batch, 16]"
    assert about["preprocessing"] == embedder.preprocessing.describe()
    content = (tmp_path / "faces/embedder.stablehlo").read_bytes()
    program = export.deserialize(bytearray(content))
    assert list(program.platforms) == about["platforms"]
    assert str(program.in_avals[0]) == "uint8[batch,32,32,3]"


@pytest.mark.parametrize(
    ("name", "graph"), [(name, graph) for name in NETWORKS for graph in NETWORKS[name]]
)
def test_every_network_takes_any_number_of_images_on_every_platform(name, graph):
    """All that the layers choose by platform has its branch; nothing is computed."""
    size = SIZES.get(name, 96)
    model = create_model(name, graph, 16, 1.0, None)
    images = jax.ShapeDtypeStruct((*export.symbolic_shape("b"), size, size, 3), "u1")
    program = export.export(jax.jit(make_embed(model)), platforms=PLATFORMS)(
        abstract_variables(model, size), images
    )
    assert {"cpu", "cuda", "tpu"} <= set(program.platforms)
    assert str(program.out_avals[0]) == "float32[b,16]"


def test_a_program_that_embeds_otherwise_is_not_written(embedder, tmp_path):
    right = embedder.apply
    embedder.apply = lambda params, images: right(params, images) + 2e-4
    with pytest.raises(InputError, match="is not written: its embeddings differ"):
        save_stablehlo(embedder, tmp_path / "faces")
    assert not list(tmp_path.iterdir())


def test_where_no_folder_can_be_nothing_is_left(embedder, tmp_path):
    (tmp_path / "file").touch()
    for name, says in (("file", "is a file"), ("none/a", "no such folder")):
        with pytest.raises(InputError, match=says):
            save_stablehlo(embedder, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
