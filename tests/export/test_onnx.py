"""ONNX models embed as the JAX embedder does, and are no more than convolutions."""

import importlib
import json
from collections import Counter
from functools import cache

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
from models.test_forward import images_of, random_like

from cl_facenet.data.preprocessing import Preprocessing
from cl_facenet.embedder import Embedder
from cl_facenet.errors import InputError
from cl_facenet.export.onnx import save_onnx, to_onnx
from cl_facenet.models import face_resnet, inception_resnet
from cl_facenet.models.facenet import (
    NETWORKS,
    Network,
    abstract_variables,
    create_model,
)
from cl_facenet.models.graphs import GRAPHS
from cl_facenet.models.inception import NN4_SMALL2, InceptionTrunk
from cl_facenet.models.operations.padding import pad_space, windows_along
from cl_facenet.models.operations.pools import l2_pool
from cl_facenet.models.vgg import VGGFace

SIZES = {"inception_resnet_v1": 75, "face_resnet": 112, "vgg_face": 224, "tiny": 32}
NARROW_VGG = Network(VGGFace(tuple((8, 1) for _ in range(5)), 16))
# A row of each kind: with max and L2 pools, of stride 2, without a 5x5 branch.
SHORT_ROWS = (*NN4_SMALL2[:3], NN4_SMALL2[-2])


@pytest.fixture
def short(monkeypatch):
    """The networks with one block of each kind; they compile in seconds."""
    rows = {g: Network(InceptionTrunk(SHORT_ROWS, GRAPHS[g])) for g in GRAPHS}
    endings = {g: rows[g]._replace(ending=GRAPHS[g].ending) for g in GRAPHS}
    monkeypatch.setitem(NETWORKS, "short", endings)
    monkeypatch.setitem(NETWORKS, "vgg_face", {"published": NARROW_VGG})
    stages = [(*stage[:2], 1, *stage[3:]) for stage in inception_resnet.STAGES]
    monkeypatch.setattr(inception_resnet, "STAGES", stages)
    stages = [(1, features) for _, features in face_resnet.STAGES]
    monkeypatch.setattr(face_resnet, "STAGES", stages)


def embedder_of(name, graph, align="none"):
    """Random parameters and running statistics, so that every one of them matters."""
    model, size = create_model(name, graph, 16, 1.0, None), SIZES.get(name, 96)
    variables = random_like(abstract_variables(model, size), 0)
    return Embedder(model, variables, Preprocessing(align, size))


@pytest.fixture
def tiny_embedder(tiny):
    return embedder_of("tiny", "openface")


@cache
def exported(name, graph):
    return to_onnx(embedder_of(name, graph))


def photos(count, size):
    light = np.concatenate([images_of(size), images_of(size)[::-1, ::-1]])
    return np.uint8(255 * light)[:count]


def session_of(model):
    return onnxruntime.InferenceSession(model.SerializeToString())


def operators(model):
    return Counter(node.op_type for node in model.graph.node)


@pytest.mark.parametrize(
    ("name", "graph"),
    [
        ("short", "openface"),
        ("short", "openface_released"),
        ("short", "dl4j"),
        ("inception_resnet_v1", "published"),
        ("face_resnet", "published"),
        ("vgg_face", "published"),
    ],
)
def test_it_embeds_as_the_embedder_does_in_batches_of_any_size(name, graph, short):
    embedder = embedder_of(name, graph)
    images = photos(4, embedder.preprocessing.image_size)
    expected = embedder(images)
    assert np.ptp(expected, axis=0).max() > 0.01  # the photos differ
    session = session_of(to_onnx(embedder))
    for batch in (1, 2, 4):
        (vectors,) = session.run(None, {"images": images[:batch]})
        np.testing.assert_allclose(vectors, expected[:batch], atol=2e-6)


@pytest.mark.parametrize(
    ("name", "graph"),
    [(name, next(iter(graphs))) for name, graphs in NETWORKS.items()],
)
def test_every_network_has_a_translation_without_batch_normalisation(
    name, graph, monkeypatch
):
    monkeypatch.setitem(NETWORKS, "vgg_face", {"published": NARROW_VGG})
    model = exported(name, graph)
    made_by = {out: node.op_type for node in model.graph.node for out in node.output}
    constants = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in ("Mul", "Add", "Sub", "Div"):
            behind = {made_by.get(name) for name in node.input}
            assert not (constants & set(node.input) and "Conv" in behind)
    count = operators(model)
    assert not count.keys() & {"BatchNormalization", "Slice", "Split"} - (
        {"Slice"} if name == "face_resnet" else set()  # its images are cut
    )
    assert count["Transpose"] <= 2


def test_nn4_small2_is_convolutions_relus_and_pools():
    count = operators(exported("nn4.small2", "openface"))
    assert count["Conv"] == 37
    assert count["Relu"] == 37 + 3  # 3: of sums before their root
    assert count["MaxPool"] == 6
    assert count["AveragePool"] == 5  # 3 L2 pools, 2 response normalisations
    assert count["Transpose"] == count["Gemm"] == 1


def test_face_resnet_is_convolutions_and_prelus():
    count = operators(exported("face_resnet", "published"))
    assert count["Conv"] == count["PRelu"] == 27
    assert not count.keys() & {"Relu", "Neg", "Sub"}


def test_what_goes_in_and_out_is_named_and_described(tiny):
    embedder = embedder_of("tiny", "openface", align="dlib")
    model = to_onnx(embedder)
    (images,), (vectors,) = (
        session_of(model).get_inputs(),
        session_of(model).get_outputs(),
    )
    assert (images.name, images.type, images.shape) == (
        "images",
        "tensor(uint8)",
        ["batch", 32, 32, 3],
    )
    assert (vectors.name, vectors.type, vectors.shape) == (
        "embeddings",
        "tensor(float)",
        ["batch", 16],
    )
    about = {item.key: item.value for item in model.metadata_props}
    assert json.loads(about["preprocessing"]) == embedder.preprocessing.describe()


def _padded_rows(x):
    return windows_along(pad_space(x, ((2, 1), (0, 0))), 1, 3, 2)


FUNCTIONS = {
    "transpose": lambda x: x.transpose(0, 3, 1, 2)[:, 0] * jnp.arange(32.0),
    "swap": lambda x: x.swapaxes(1, 2)[:, ::3, 4:9],
    "sum of rows": lambda x: x.sum(1)[:, 3],
    "sum of channels": lambda x: x.sum(3) - x[..., 1].sum(2, keepdims=True),
    "padding": lambda x: jnp.pad(x[:, :3], ((0, 0), (1, 0), (0, 2), (2, 1))),
    "place by place": lambda x: x * np.random.default_rng(0).random((32, 32, 3)),
    "reflected": lambda x: (1 - x) * 2 - jnp.array([1.0, 2.0, 3.0]),
    "reshape": lambda x: x.reshape(len(x), 8, 4, 32, 3).sum(2),
    "product of rows": lambda x: x.reshape(len(x), -1)[:, :6] @ jnp.eye(6)[:, :2],
    "choice": lambda x: jnp.where(x > 0.5, x, -1.0),
    "windows": lambda x: sum(windows_along(x, 2, 5, 3)),
    "windows of channels": lambda x: sum(windows_along(x, 3, 2, 1)),
    "windows of squares": lambda x: sum(windows_along(sum(_padded_rows(x)), 2, 3, 2)),
    "windows in windows": lambda x: sum(windows_along(sum(_padded_rows(x)), 1, 4, 1)),
    "not all windows": lambda x: x[:, :28] + x[:, 1:29] + x[:, 2:30],
    "windows with holes": lambda x: x[:, :-2] + x[:, 2:],
    "a window twice": lambda x: (x[:, :-1] + x[:, 1:]) * x[:, 1:] + x[:, :-1],
    "split": lambda x: jnp.concatenate(jnp.split(x, [1, 2], -1)[::-1], -1),
    "root": lambda x: l2_pool(x - 0.5, 2, 2, 1),
    "no such root": lambda x: jnp.where(x > 0.7, jnp.sqrt(x), 0.0),
    "leaky": lambda x: nn.relu(x - 0.5) - 0.25 * nn.relu(0.5 - x),
    "no such leak": lambda x: nn.relu(x - 0.5) - 0.25 * nn.relu(-x - 0.1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_axes_are_where_they_were(name, tiny_embedder):
    def apply(params, images):
        y = FUNCTIONS[name](images.astype(jnp.float32) / 255)
        return y.reshape(len(y), -1)

    tiny_embedder.apply = apply
    images = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    (values,) = session_of(to_onnx(tiny_embedder)).run(None, {"images": images})
    expected = jax.jit(apply)(None, images)
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "last",
    [
        lambda y: (y * 2 - 1) * 3,
        lambda y: 1 - (1 - y),
        lambda y: nn.relu(y) - 0.5 * nn.relu(-y),
        lambda y: jnp.where(y > 0, jnp.sqrt(jnp.where(y > 0, y, 1.0)), 0.0),
    ],
)
def test_what_comes_last_may_be_rewritten(last, tiny_embedder):
    right = tiny_embedder.apply
    tiny_embedder.apply = lambda params, images: last(right(params, images))
    images = photos(3, 32)
    (values,) = session_of(to_onnx(tiny_embedder)).run(None, {"images": images})
    expected = jax.jit(tiny_embedder.apply)(tiny_embedder.params, images)
    np.testing.assert_allclose(values, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (lambda x: jnp.sort(x[:, 0, 0]), "primitive sort is not translated at all$"),
        (lambda x: x[:, 0, 0] - x.sum((0, 1, 2)), "reduce_sum .* over images$"),
        (lambda x: x[::-1][:, 0, 0], "primitive rev is not translated"),
        (lambda x: x[:, 0, 0] + jnp.arange(7.0)[:, None], "add .* constant an image$"),
    ],
)
def test_what_has_no_translation_is_named(apply, message, tiny_embedder):
    tiny_embedder.apply = lambda params, images: apply(images.astype(jnp.float32))
    with pytest.raises(InputError, match=message) as error:
        to_onnx(tiny_embedder)
    assert "\n" not in str(error.value)


def test_a_saved_model_is_one_that_was_tried(tiny_embedder, tmp_path):
    path = tmp_path / "model.onnx"
    difference = save_onnx(tiny_embedder, path)
    assert 0 <= difference < 1e-6
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    onnx.checker.check_model(onnx.load(path))
    images = photos(4, 32)
    (vectors,) = onnxruntime.InferenceSession(path).run(None, {"images": images})
    np.testing.assert_allclose(vectors, tiny_embedder(images), atol=1e-6)


@pytest.mark.parametrize("wrong", [2e-4, np.nan])
def test_a_model_that_embeds_otherwise_is_not_written(wrong, tiny_embedder, tmp_path):
    right = tiny_embedder.apply
    tiny_embedder.apply = lambda params, images: right(params, images) + wrong
    with pytest.raises(InputError, match="is not written: onnxruntime's"):
        save_onnx(tiny_embedder, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_refused_model_leaves_the_file_before_it(tiny_embedder, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"before")
    right = tiny_embedder.apply
    tiny_embedder.apply = lambda params, images: right(params, images) + 1
    with pytest.raises(InputError, match="is not written"):
        save_onnx(tiny_embedder, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == b"before"


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_what_is_not_installed_is_asked_for(
    missing, tiny_embedder, tmp_path, monkeypatch
):
    installed = importlib.import_module

    def without(name):
        if name == missing:
            raise ImportError(name)
        return installed(name)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(InputError, match=r"pip install 'cl_facenet\[onnx\]'"):
        save_onnx(tiny_embedder, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
