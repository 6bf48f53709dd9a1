"""How a trunk is computed: its precision, and what is kept for the gradient."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cl_facenet.models.facenet import NETWORKS, abstract_variables, create_model
from cl_facenet.models.inception import UP_TO_4A, InceptionTrunk
from cl_facenet.models.rows import Rows

SIZE = 96
# Blocks of a trunk, of which only what goes in is kept.
BLOCKS = {
    "nn4.small2": ("openface", 96, 9),
    "inception_resnet_v1": ("published", 75, 20),
    "face_resnet": ("published", 112, 11),
    "vgg_face": ("published", 224, 13),
}


@pytest.fixture
def make(monkeypatch):
    """A function from how it is computed to a network of one block."""
    short = InceptionTrunk(UP_TO_4A[1:2], NETWORKS["nn4"]["openface"].trunk.graph)
    network = NETWORKS["nn4"]["openface"]._replace(trunk=short)
    monkeypatch.setitem(NETWORKS, "short", {"published": network})

    return partial(create_model, "short", "published", 8, 1.0, None)


def features_and_gradient(model, variables, images):
    """Of a training pass: features [B, D] and the gradient of a sum of them."""
    signs = jnp.where(jnp.arange(8) % 2, 1.0, -1.0)

    @jax.jit
    def run(params):
        def value(params):
            features, _ = model.apply(
                variables | {"params": params},
                images,
                Rows.all_of(images),
                train=True,
                method="features",
                mutable=["batch_stats"],
            )
            return jnp.sum(features * signs), features

        (_, features), grads = jax.value_and_grad(value, has_aux=True)(params)
        return features, grads

    return run(variables["params"])


@pytest.fixture
def plain(make):
    images = np.random.default_rng(0).random((4, SIZE, SIZE, 3), np.float32)
    variables = jax.jit(make().init)(jax.random.key(0), images)
    return variables, images, features_and_gradient(make(), variables, images)


def test_computing_blocks_anew_changes_nothing(make, plain):
    variables, images, (features, gradient) = plain
    again, other = features_and_gradient(make(remat=True), variables, images)
    np.testing.assert_allclose(features, again, rtol=1e-5, atol=1e-6)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
        gradient,
        other,
    )


def test_bfloat16_is_of_the_maps_alone(make, plain):
    """Within its 8 bits of float32; parameters, statistics, features are float32."""
    variables, images, (features, gradient) = plain
    half = make(dtype="bfloat16")
    rounded, other = features_and_gradient(half, variables, images)
    for array in jax.tree.leaves((rounded, other)):
        assert array.dtype == jnp.float32
    distance = jnp.linalg.norm(rounded - features) / jnp.linalg.norm(features)
    assert 1e-5 < distance < 0.1
    one, two = (
        np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])
        for tree in (gradient, other)
    )
    assert one @ two / (np.linalg.norm(one) * np.linalg.norm(two)) > 0.9
    text = jax.jit(half.apply).lower(variables, images).as_text()
    convolutions = [x for x in text.splitlines() if "stablehlo.convolution" in x]
    assert convolutions
    assert all("xbf16>" in line for line in convolutions)


@pytest.mark.parametrize("name", BLOCKS)
def test_every_network_has_its_blocks(name):
    graph, size, blocks = BLOCKS[name]
    for remat, expected in ((False, 0), (True, blocks)):
        model = create_model(name, graph, 8, 1.0, None, remat=remat)
        images = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
        variables = abstract_variables(model, size)
        program = str(jax.make_jaxpr(model.apply)(variables, images))
        assert len(re.findall(r"= (?:remat2|checkpoint)\[", program)) == expected


@pytest.mark.parametrize("name", BLOCKS)
def test_every_network_has_all_its_convolutions_in_bfloat16(name):
    """Forward and back; what comes out, and what parameters are moved by, is not."""
    graph, size, _ = BLOCKS[name]
    model = create_model(name, graph, 8, 1.0, None, dtype="bfloat16")
    images = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    variables = abstract_variables(model, size)

    def loss(params, images):
        features, _ = model.apply(
            variables_of(params),
            images,
            train=True,
            method="features",
            mutable=["batch_stats"],
        )
        assert features.dtype == jnp.float32
        return features.sum()

    def variables_of(params):
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape), variables["batch_stats"])
        return {"params": params, "batch_stats": zeros}

    program, grads = jax.make_jaxpr(jax.grad(loss), return_shape=True)(
        variables["params"], images
    )
    assert {x.dtype for x in jax.tree.leaves(grads)} == {jnp.dtype(jnp.float32)}
    types = re.findall(r":(\w+)\[[\d,]*\] = conv_general_dilated", str(program))
    assert types
    assert set(types) == {"bf16"}
