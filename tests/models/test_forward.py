"""Every network against an independent forward pass in float64 NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from models import reference_forward as reference

from cl_facenet.models.facenet import abstract_variables, create_model
from cl_facenet.models.rows import Rows
from cl_facenet.models.vgg import VGGFace

TOLERANCE = 1e-5  # of unit vectors; measured: 4.1e-7 at most


def random_like(abstract, seed):
    """Random variables, none of them at a value that could hide a mistake.

    Weights keep the size of what goes through them: N(0, 1 / fan_in).
    """
    rng = np.random.default_rng(seed)

    def draw(path, like):
        name = path[-1].key
        if name == "kernel":
            fan_in = np.prod(like.shape[:-1])
            return rng.normal(0, fan_in**-0.5, like.shape).astype(np.float32)
        low, high = {"scale": (1.0, 3.0), "var": (0.5, 2.0), "slope": (0.1, 0.4)}.get(
            name, (-0.2, 0.2)
        )
        return rng.uniform(low, high, like.shape).astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, abstract)


def images_of(size):
    """Two: patches of light and dark, for a network that averages noise away."""
    rng = np.random.default_rng(7)
    patches = np.kron(rng.random((2, 4, 4, 3)), np.ones((1, size // 4, size // 4, 1)))
    border = [(0, 0), *[(0, size - size // 4 * 4)] * 2, (0, 0)]
    patches = np.pad(patches, border, mode="edge")
    return (0.8 * patches + 0.2 * rng.random(patches.shape)).astype(np.float32)


def difference(name, graph, size, embedding_size, of):
    """The largest, between our embeddings and those of the function `of`."""
    model = create_model(name, graph, embedding_size, 1.0, None)
    variables = random_like(abstract_variables(model, size), seed=1)
    images = images_of(size)
    ours = jax.jit(lambda v, x: model.apply(v, x)["embedding"])(variables, images)
    theirs = np.stack([of(variables, image) for image in images])
    # Nothing is compared where all photos are the same to the network.
    assert np.abs(theirs[0] - theirs[1]).max() > 100 * TOLERANCE
    return np.abs(ours - theirs).max()


@pytest.mark.parametrize("graph", ["openface", "openface_released", "dl4j"])
def test_nn4_small2(graph):
    def of(variables, image):
        return reference.nn4_small2(variables, image, graph)

    assert difference("nn4.small2", graph, 96, 128, of) <= TOLERANCE


@pytest.mark.parametrize(
    ("graph", "other", "key"),
    [
        *(("openface", "dl4j", key) for key in ("same", "alpha", "range", "order")),
        *(("openface", "openface_released", k) for k in ("max", "halving_max", "l2")),
        *(("dl4j", "openface", key) for key in ("halving_max", "l2")),
    ],
)
def test_every_difference_between_graphs_would_show(graph, other, key, monkeypatch):
    """The reference with one entry of another graph is far off."""
    abstract = abstract_variables(create_model("nn4.small2", graph, 8, 1.0, None), 96)
    variables, image = random_like(abstract, seed=1), images_of(96)[0]
    right = reference.nn4_small2(variables, image, graph)
    of_other = reference.DEFINITIONS[other][key]
    monkeypatch.setitem(reference.DEFINITIONS[graph], key, of_other)
    wrong = reference.nn4_small2(variables, image, graph)
    assert np.abs(wrong - right).max() > 10 * TOLERANCE


def test_inception_resnet_v1_on_small_images():
    of = reference.inception_resnet_v1
    assert difference("inception_resnet_v1", "published", 107, 64, of) <= TOLERANCE


def test_face_resnet():
    assert (
        difference("face_resnet", "published", 112, 64, reference.face_resnet)
        <= TOLERANCE
    )


def test_a_vgg_of_few_channels():
    trunk = VGGFace(stages=((4, 2), (6, 2), (8, 3), (8, 3), (8, 3)), fc6=16)
    images, rows = images_of(64), Rows(jnp.ones(2, bool))
    abstract = jax.eval_shape(
        lambda: trunk.init(jax.random.key(0), images, rows, train=False)
    )
    variables = random_like(abstract, seed=2)
    ours = trunk.apply(variables, images, rows, train=False)
    theirs = [
        reference.vgg_trunk(variables["params"], image, (2, 2, 3, 3, 3))
        for image in images
    ]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)
