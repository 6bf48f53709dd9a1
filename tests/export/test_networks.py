"""Every network embeds in ONNX as in JAX, and is no more than convolutions there."""

from collections import Counter
from functools import cache

import numpy as np
import pytest
from export.embedders import embedder_of, photos, run

from cl_facenet.export.onnx import to_onnx
from cl_facenet.models import face_resnet, inception_resnet
from cl_facenet.models.facenet import NETWORKS, Network
from cl_facenet.models.graphs import GRAPHS
from cl_facenet.models.inception import NN4_SMALL2, InceptionTrunk
from cl_facenet.models.vgg import VGGFace

SIZES = {"inception_resnet_v1": 75, "face_resnet": 112, "vgg_face": 224}
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
    embedder = embedder_of(name, graph, SIZES.get(name, 96))
    images = photos(4, embedder.preprocessing.image_size)
    expected = embedder(images)
    assert np.ptp(expected, axis=0).max() > 0.01  # the photos differ
    model = to_onnx(embedder)
    for batch in (1, 2, 4):
        vectors = run(model, images[:batch])
        np.testing.assert_allclose(vectors, expected[:batch], atol=2e-6)


@cache
def exported(name, graph):
    return to_onnx(embedder_of(name, graph, SIZES.get(name, 96)))


def operators(model):
    return Counter(node.op_type for node in model.graph.node)


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_stands_between_a_convolution_and_its_activation(name, monkeypatch):
    monkeypatch.setitem(NETWORKS, "vgg_face", {"published": NARROW_VGG})
    model = exported(name, next(iter(NETWORKS[name])))
    made_by = {out: node.op_type for node in model.graph.node for out in node.output}
    constants = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in ("Mul", "Add", "Sub", "Div"):
            behind = {made_by.get(name) for name in node.input}
            assert not (constants & set(node.input) and {"Conv", "Gemm"} & behind)
    count = operators(model)
    flattens = name in ("vgg_face", "face_resnet")
    assert count["Transpose"] == 1 + flattens
    assert count["Slice"] == (name == "face_resnet")  # of the images
    assert not count.keys() & {"BatchNormalization", "Split", "Where", "Identity"}


def test_nn4_small2_is_convolutions_relus_and_pools():
    count = operators(exported("nn4.small2", "openface"))
    assert count["Conv"] == 37
    assert count["Relu"] == 37 + 3  # 3: of sums before their root
    assert count["MaxPool"] == 6
    assert count["AveragePool"] == 3 * 2 + 2  # 3 L2 pools, 2 response normalisations
    assert count["Gemm"] == 1


def test_face_resnet_is_convolutions_and_prelus():
    count = operators(exported("face_resnet", "published"))
    assert count["Conv"] == count["PRelu"] == 27
    assert not count.keys() & {"Relu", "Neg", "Sub"}
