"""Every network and graph against its published numbers."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cl_facenet.errors import InputError, UsageError
from cl_facenet.models.facenet import (
    NETWORKS,
    abstract_variables,
    create_model,
    unit_range,
)
from cl_facenet.params import count, drop_head, leaves

# (network, graph): image size, embedding size, parameters without a head, batch
# statistics. Sources: the headers of OpenFace's def.lua files; facenet-pytorch's and
# caffe-face's layers. Of dl4j: both 5x5 kernels of stride 2 are 3x3, 163,840 fewer.
PUBLISHED = {
    ("nn4.small2", "openface"): (96, 128, 3_733_968, 2 * 4_656),
    ("nn4.small2", "openface_released"): (96, 128, 3_733_968, 2 * 4_656),
    ("nn4.small2", "dl4j"): (96, 128, 3_570_128, 2 * 4_656),
    ("nn4.small1", "openface"): (96, 128, 5_579_520, 11_904),
    ("nn4.small1", "openface_released"): (96, 128, 5_579_520, 11_904),
    ("nn4.small1", "dl4j"): (96, 128, 5_579_520 - 163_840, 11_904),
    ("nn4", "openface"): (96, 128, 6_959_088, 15_136),
    ("nn4", "openface_released"): (96, 128, 6_959_088, 15_136),
    ("nn4", "dl4j"): (96, 128, 6_959_088 - 163_840, 15_136),
    ("nn2", "openface"): (224, 128, 7_472_144, 15_840),
    ("nn2", "openface_released"): (224, 128, 7_472_144, 15_840),
    ("nn2", "dl4j"): (224, 128, 7_472_144 - 163_840, 15_840),
    ("inception_resnet_v1", "published"): (160, 512, 23_482_624, 29_600),
    ("vgg_face", "published"): (224, 128, 118_003_648, 0),
    ("face_resnet", "published"): (112, 512, 27_543_072, 0),
}

# Counted from OpenFace's def.lua files, block by block.
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
ROWS_4B_TO_4D = {
    "inception_4b": 596_784,
    "inception_4c": 655_712,
    "inception_4d": 723_856,
}
WIDE_ROWS_5 = {"inception_5a": 1_387_712, "inception_5b": 1_297_600}
BLOCKS = {
    ("nn4.small2", "openface"): NN4_SMALL2_BLOCKS,
    ("nn4.small2", "dl4j"): NN4_SMALL2_BLOCKS
    | {"inception_3c": 365_984, "inception_4e": 587_552},
    ("nn4.small1", "openface"): NN4_SMALL2_BLOCKS
    | {"inception_4b": 596_784}
    | WIDE_ROWS_5,
    ("nn4", "openface"): NN4_SMALL2_BLOCKS | ROWS_4B_TO_4D | WIDE_ROWS_5,
    ("nn2", "openface"): NN4_SMALL2_BLOCKS
    | ROWS_4B_TO_4D
    | {"inception_5a": 1_590_992, "inception_5b": 1_590_992},
}
# Convolutions (of which `up` has a bias), and a scale and a shift for every channel.
INCEPTION_RESNET_BLOCKS = {
    "stem": 614_240 + 2 * (32 + 32 + 64 + 80 + 192 + 256),
    "block35_1": 77_056 + 2 * 6 * 32,
    "mixed_6a": 1_708_032 + 2 * (384 + 192 + 192 + 256),
    "block17_10": 689_024 + 2 * 4 * 128,
    "mixed_7a": 3_342_336 + 2 * (256 + 384 + 256 + 256 + 256 + 256 + 256),
    "block8_6": 1_599_232 + 2 * 4 * 192,
}

# [height, channels] of what each block returns for an image of the published size.
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
MAPS = {
    **{("nn4.small2", graph): NN4_SMALL2_MAPS for graph in NETWORKS["nn4.small2"]},
    ("nn2", "openface"): {
        "stem_7x7": (112, 64),
        "stem_3x3": (56, 192),
        "inception_3b": (28, 320),
        "inception_4d": (14, 640),
        "inception_5b": (7, 1024),
    },
    ("inception_resnet_v1", "published"): {
        "stem_1a": (79, 32),
        "stem_2b": (77, 64),
        "stem_3b": (38, 80),
        "stem_4a": (36, 192),
        "stem_4b": (17, 256),
        "block35_5": (17, 256),
        "mixed_6a": (8, 896),
        "mixed_7a": (3, 1792),
        "block8_6": (3, 1792),
    },
}
# The maps that a block's pool branch has before it is set in the middle of zeros.
POOLED = {
    "openface": {"3a": 12, "3b": 10, "4a": 4, "5a": 1, "5b": 3},
    "openface_released": {"3a": 5, "3b": 4, "4a": 2, "5a": 1, "5b": 1},
    "dl4j": {"3a": 12, "3b": 12, "4a": 6, "5a": 3, "5b": 3},
}
# caffe-face's prototxt, [height, width, channels] of 112x96 pixels.
FACE_RESNET_MAPS = {
    "conv1b": (108, 92, 64),
    "res2_1": (54, 46, 64),
    "res3_2": (26, 22, 128),
    "res4_5": (12, 10, 256),
    "res5_3": (5, 4, 512),
}


def model_of(name="nn4.small2", num_classes=None, graph="openface", size=128):
    return create_model(name, graph, size, 16.0, num_classes)


def published(name, graph):
    """The network as published, and its abstract variables."""
    image_size, embedding_size, *_ = PUBLISHED[name, graph]
    model = model_of(name, graph=graph, size=embedding_size)
    return model, abstract_variables(model, image_size)


def variables_of(model, size=96):
    return abstract_variables(model, size)


def maps_of(name, graph):
    """What the trunk's modules return for one image, by name."""
    model, variables = published(name, graph)
    size = PUBLISHED[name, graph][0]

    def run(variables, images):
        return model.apply(variables, images, capture_intermediates=True)[1]

    images = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    return jax.eval_shape(run, variables, images)["intermediates"]["trunk"]


def test_every_network_and_graph_has_its_published_count():
    made = {(name, graph) for name, graphs in NETWORKS.items() for graph in graphs}
    assert set(PUBLISHED) == made


@pytest.mark.parametrize(("name", "graph"), PUBLISHED)
def test_parameters_are_as_published(name, graph):
    variables = published(name, graph)[1]
    counted = (count(variables["params"]), count(variables["batch_stats"]))
    assert counted == PUBLISHED[name, graph][2:]


@pytest.mark.parametrize(("name", "graph"), BLOCKS)
def test_each_block_has_its_parameters(name, graph):
    trunk = published(name, graph)[1]["params"]["trunk"]
    counted = {"stem": sum(count(trunk[n]) for n in trunk if n.startswith("stem"))}
    counted |= {n: count(trunk[n]) for n in trunk if n.startswith("inception")}
    assert counted == BLOCKS[name, graph]


def test_each_block_of_inception_resnet_has_its_parameters():
    trunk = published("inception_resnet_v1", "published")[1]["params"]["trunk"]
    counted = {"stem": sum(count(trunk[n]) for n in trunk if n.startswith("stem"))}
    counted |= {n: count(trunk[n]) for n in INCEPTION_RESNET_BLOCKS if n != "stem"}
    assert counted == INCEPTION_RESNET_BLOCKS


def test_vgg_face_has_vgg_16_s_convolutions():
    params = published("vgg_face", "published")[1]["params"]
    fc6 = count(params["trunk"]["fc6"])
    assert count(params["trunk"]) - fc6 == 14_714_688
    assert fc6 == 7 * 7 * 512 * 4096 + 4096


def test_face_resnet_has_caffe_face_s_numbers():
    params = published("face_resnet", "published")[1]["params"]
    counted = {"kernel": 0, "bias": 0, "slope": 0}
    for path, array in leaves(params["trunk"]):
        counted[path.rpartition("/")[2]] += array.size
    assert counted == {"kernel": 22_285_152, "bias": 7_264, "slope": 7_264}
    assert count(params["embedding"]) == 5_243_392


@pytest.mark.parametrize(("name", "graph"), MAPS)
def test_each_block_has_its_map(name, graph):
    captured = maps_of(name, graph)
    for block, (size, channels) in MAPS[name, graph].items():
        shape = captured[block]["__call__"][0].shape
        assert shape == (1, size, size, channels), block


@pytest.mark.parametrize("graph", POOLED)
def test_each_pool_has_its_graph_s_map(graph):
    captured = maps_of("nn4.small2", graph)
    pooled = {
        row: captured[f"inception_{row}"]["branch_pool"]["__call__"][0].shape[1]
        for row in POOLED[graph]
    }
    assert pooled == POOLED[graph]


def test_face_resnet_has_caffe_face_s_maps():
    captured = maps_of("face_resnet", "published")
    for block, shape in FACE_RESNET_MAPS.items():
        assert captured[block]["__call__"][0].shape == (1, *shape), block


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


@pytest.mark.parametrize(
    ("head", "classified"), [("linear", "features"), ("dense", "embedding")]
)
def test_what_a_classifier_sees(tiny, head, classified):
    """Features as they are, in the paper; unit vectors times a scale otherwise."""
    model = create_model("tiny", "openface", 8, 16.0, 7, head=head)
    images = jax.random.uniform(jax.random.key(0), (2, 32, 32, 3))
    variables = model.init(jax.random.key(1), images)
    outputs = model.apply(variables, images)
    kernel = variables["params"]["logits"]["kernel"]
    scale = {"linear": 1.0, "dense": 16.0}[head]
    np.testing.assert_allclose(
        outputs["logits"], scale * outputs[classified] @ kernel, rtol=1e-4, atol=1e-5
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
    ("name", "graph", "says"),
    [
        ("nn5", "openface", "model.name is 'nn5': choose one of nn4.small2, "),
        (
            "nn4.small2",
            "caffe",
            "model.graph is 'caffe': choose one of openface, openface_released, dl4j",
        ),
        ("vgg_face", "openface", "choose one of published for vgg_face"),
    ],
)
def test_an_unknown_network_or_graph_is_named(name, graph, says):
    with pytest.raises(UsageError, match=says):
        create_model(name, graph, 128, 16.0, None)


@pytest.mark.parametrize(
    ("name", "size", "says"),
    [
        ("nn2", 200, "multiples of 32, 96 or more"),
        ("inception_resnet_v1", 74, "75x75 or more"),
        ("vgg_face", 96, "224x224 only"),
        ("face_resnet", 96, "112x112 only"),
    ],
)
def test_each_trunk_names_the_sizes_it_takes(name, size, says):
    trunk = next(iter(NETWORKS[name].values())).trunk
    with pytest.raises(InputError, match=rf"{says}.*\(data\.image_size\)"):
        trunk.check_size(size, size)


def test_inception_resnet_s_smallest_image_leaves_one_place():
    model = model_of("inception_resnet_v1", graph="published")
    assert count(abstract_variables(model, 75)["params"]) > 0


class TestNormalize:
    x = np.array([[3.0, 4.0], [0.0, 0.0], [3e-7, 4e-7]], np.float32)

    @pytest.mark.parametrize(
        ("name", "graph", "length"),
        [
            ("nn4.small2", "openface", lambda x: np.sqrt(x**2 + 1e-10)),
            ("nn4.small2", "openface_released", lambda x: np.sqrt(x**2 + 1e-10)),
            ("nn4.small2", "dl4j", lambda x: np.maximum(x, 1e-6)),
            ("inception_resnet_v1", "published", lambda x: np.maximum(x, 1e-12)),
        ],
    )
    def test_each_graph_divides_by_its_length(self, name, graph, length):
        lengths = np.linalg.norm(self.x.astype(np.float64), axis=1, keepdims=True)
        unit = model_of(name, graph=graph).normalize(self.x)
        np.testing.assert_allclose(unit, self.x / length(lengths), rtol=1e-5)


def test_starting_values_of_dl4j():
    """Biases 0.2 in 3a, 3b and 4a, else 0; weights N(0, 2 / fan_in)."""
    model = model_of(num_classes=7, graph="dl4j")
    images = jnp.zeros((1, 96, 96, 3))
    params = jax.jit(model.init)(jax.random.key(0, impl="rbg"), images)["params"]
    for path, array in leaves(params):
        if path.endswith("conv/bias"):
            biased = re.search("inception_(3a|3b|4a)/", path)
            np.testing.assert_allclose(array, 0.2 if biased else 0.0)
        elif path.endswith("kernel") and array.size > 50_000:
            fan_in = np.prod(array.shape[:-1])
            assert np.std(array) == pytest.approx(np.sqrt(2 / fan_in), rel=0.05), path


def test_dropout_is_of_training_only_and_keeps_the_mean(tiny):
    model = create_model("tiny", "openface", 8, 16.0, None, dropout=0.5)
    images = jax.random.uniform(jax.random.key(0), (64, 32, 32, 3))
    variables = model.init(jax.random.key(1), images)

    @partial(jax.jit, static_argnums=1)
    def features(seed, train):
        rngs = {"dropout": jax.random.key(seed)}
        kinds = {"method": "features", "mutable": ["batch_stats"], "rngs": rngs}
        return model.apply(variables, images, train=train, **kinds)[0]

    np.testing.assert_array_equal(features(0, False), features(1, False))
    many = np.stack([features(seed, True) for seed in range(200)])
    without = create_model("tiny", "openface", 8, 16.0, None).apply(
        variables, images, train=True, method="features", mutable=["batch_stats"]
    )[0]
    assert np.std(many, 0).min() > 0
    np.testing.assert_allclose(many.mean(0), without, atol=5 * many.std() / 200**0.5)


def test_unit_range():
    np.testing.assert_allclose(
        unit_range(jnp.array([0, 51, 255], jnp.uint8)), [0, 0.2, 1]
    )
    np.testing.assert_array_equal(unit_range(jnp.array([0.0, 0.5])), [0, 0.5])
