"""NN4.Small2 against its published numbers."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cl_facenet.errors import InputError, UsageError
from cl_facenet.models.facenet import TRUNKS, create_model, unit_range
from cl_facenet.params import count, drop_head, leaves

# Without a head. Source: the header of OpenFace's def.lua.
PUBLISHED_PARAMETERS = {"nn4.small2": 3_733_968}
BATCH_STATISTICS = {"nn4.small2": 2 * 4_656}

# Counted from OpenFace's nn4.small2.def.lua, block by block.
NN4_SMALL2_BLOCKS = {
    "stem": 125_056,
    "inception_3a": 164_432,
    "inception_3b": 228_672,
    "inception_3c": 398_752,
    "inception_4a": 547_072,
    "inception_4e": 718_624,
    "inception_5a": 793_024,
    "inception_5b": 664_000,
}
# [height, channels] of what each block returns for a 96x96 image.
NN4_SMALL2_MAPS = {
    "stem_7x7": (48, 64),
    "stem_3x3": (24, 192),
    "inception_3a": (12, 256),
    "inception_3b": (12, 320),
    "inception_3c": (6, 640),
    "inception_4a": (6, 640),
    "inception_4e": (3, 1024),
    "inception_5a": (3, 736),
    "inception_5b": (3, 736),
}


def model_of(name="nn4.small2", num_classes=None):
    return create_model(name, "openface", 128, 16.0, num_classes)


def variables_of(model, size=96):
    images = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    return jax.eval_shape(model.init, jax.random.key(0), images)


def test_every_network_has_its_published_count():
    assert set(PUBLISHED_PARAMETERS) == set(BATCH_STATISTICS) == set(TRUNKS)


@pytest.mark.parametrize("name", PUBLISHED_PARAMETERS)
def test_parameters_are_as_published(name):
    variables = variables_of(model_of(name))
    assert count(variables["params"]) == PUBLISHED_PARAMETERS[name]
    assert count(variables["batch_stats"]) == BATCH_STATISTICS[name]


def test_each_block_has_its_parameters():
    trunk = variables_of(model_of())["params"]["trunk"]
    counted = {"stem": sum(count(trunk[n]) for n in trunk if n.startswith("stem"))}
    counted |= {n: count(trunk[n]) for n in trunk if n.startswith("inception")}
    assert counted == NN4_SMALL2_BLOCKS


def test_each_block_has_its_map():
    model = model_of()
    images = jax.ShapeDtypeStruct((2, 96, 96, 3), jnp.float32)
    captured = jax.eval_shape(
        lambda v, x: model.apply(v, x, capture_intermediates=True)[1]["intermediates"],
        variables_of(model),
        images,
    )["trunk"]
    for name, (size, channels) in NN4_SMALL2_MAPS.items():
        assert captured[name]["__call__"][0].shape == (2, size, size, channels)


def test_the_head_is_a_top_level_key_and_every_module_has_a_name():
    params = variables_of(model_of(num_classes=7))["params"]
    assert set(params) == {"trunk", "embedding", "logits"}
    assert set(drop_head(params)) == {"trunk", "embedding"}
    assert set(variables_of(model_of())["params"]) == {"trunk", "embedding"}
    paths = [path for path, _ in leaves(params)]
    assert "trunk/inception_3a/branch_3x3/reduce/conv/kernel" in paths
    assert not [p for p in paths if re.search(r"_\d+/", p)], "numbered by Flax"


def test_outputs():
    model = model_of(num_classes=7)
    images = jax.random.uniform(jax.random.key(0), (2, 96, 96, 3))
    variables = jax.jit(model.init)(jax.random.key(1), images)
    outputs = jax.jit(model.apply)(variables, images)
    assert {name: x.shape for name, x in outputs.items()} == {
        "features": (2, 128),
        "embedding": (2, 128),
        "logits": (2, 7),
    }
    lengths = jnp.linalg.norm(outputs["features"], axis=-1, keepdims=True)
    np.testing.assert_allclose(
        outputs["embedding"], outputs["features"] / lengths, rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("size", [96, 128, 160])
def test_any_multiple_of_32_from_96_on(size):
    assert count(variables_of(model_of(), size)["params"]) == 3_733_968


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((2, 64, 64, 3), "64x64 pixels.*multiples of 32, 96 or more"),
        ((2, 100, 96, 3), "100x96 pixels"),
        ((2, 96, 96, 1), r"\[2, 96, 96, 1\].*\[batch, height, width, 3\]"),
        ((96, 96, 3), r"\[96, 96, 3\]"),
    ],
)
def test_another_size_is_a_clear_error(shape, says):
    with pytest.raises(InputError, match=says):
        model_of().init(jax.random.key(0), jnp.zeros(shape))


@pytest.mark.parametrize(
    ("name", "graph"), [("nn5", "openface"), ("nn4.small2", "caffe")]
)
def test_an_unknown_network_or_graph_is_named(name, graph):
    with pytest.raises(UsageError, match="choose one of"):
        create_model(name, graph, 128, 16.0, None)


def test_unit_range():
    np.testing.assert_allclose(
        unit_range(jnp.array([0, 51, 255], jnp.uint8)), [0, 0.2, 1]
    )
    np.testing.assert_array_equal(unit_range(jnp.array([0.0, 0.5])), [0, 0.5])
