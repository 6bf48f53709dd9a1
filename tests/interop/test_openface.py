"""OpenFace's weights from CSV files and from a state dict: all of them, in place."""

import jax
import numpy as np
import pytest
from openface_like import (
    BLOCKS,
    MORE,
    NumpyOpenFace,
    random_weights,
    torch_state,
    write_csv,
)
from safetensors.numpy import save_file

from cl_facenet.errors import InputError
from cl_facenet.interop.openface_csv import file_of
from cl_facenet.interop.torch_layout import abstract_torch
from cl_facenet.interop.weights import read_weights
from cl_facenet.models.facenet import FaceNet, abstract_variables, create_model
from cl_facenet.models.graphs import OPENFACE
from cl_facenet.models.inception import InceptionTrunk, Row
from cl_facenet.params import leaves, merge


@pytest.fixture(scope="module")
def model():
    return create_model("nn4.small2", "openface", 128, 8.0, num_classes=None)


@pytest.fixture(scope="module")
def like(model):
    return abstract_variables(model, 96)


@pytest.fixture(scope="module")
def weights():
    return random_weights()


@pytest.fixture(scope="module", params=["csv", "safetensors"])
def source(request, weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("openface") / "nn4.small2.v1"
    if request.param == "csv":
        return write_csv(path, weights)
    path = path.with_suffix(".safetensors")
    save_file(torch_state(weights), path)
    return path


def test_every_array_arrives_once_and_unchanged(source, like, weights):
    """As many and as large; each, put back into Torch's layout, is one of theirs."""
    variables = merge(read_weights(source, like), like, source="").tree
    back = {2: (1, 0), 4: (3, 2, 0, 1)}
    ours = [
        np.ascontiguousarray(x.transpose(back.get(x.ndim, (0,)))).tobytes()
        for _, x in leaves(variables)
    ]
    assert sorted(ours) == sorted(x.tobytes() for x in weights.values())
    assert all(x.dtype == np.float32 for _, x in leaves(variables))


def test_names_are_what_they_say(like, weights, source):
    by_name = {csv: array for (csv, _), array in weights.items()}
    variables = read_weights(source, like)
    params, stats = variables["params"], variables["batch_stats"]["trunk"]
    block = params["trunk"]["inception_4a"]
    kernel = block["branch_5x5"]["expand"]["conv"]["kernel"]
    assert kernel.shape == (5, 5, 32, 64)
    theirs = by_name["inception_4a_5x5_conv2_w"]
    for h, w, i, o in ((0, 0, 0, 0), (1, 2, 3, 4), (4, 0, 31, 63)):
        assert kernel[h, w, i, o] == theirs[o, i, h, w]
    assert params["embedding"]["kernel"][7, 3] == by_name["dense_w"][3, 7]
    for array, part in (("scale", "w"), ("bias", "b")):
        np.testing.assert_array_equal(
            block["branch_pool"]["project"]["bn"][array],
            by_name[f"inception_4a_pool_bn_{part}"],
        )
    for array, part in (("mean", "m"), ("var", "v")):
        np.testing.assert_array_equal(
            stats["inception_5b"]["branch_1x1"]["bn"][array],
            by_name[f"inception_5b_1x1_bn_{part}"],
        )


def test_the_network_computes_what_theirs_does(source, like, weights, model):
    """The whole forward pass in NumPy, from their arrays in Torch's layout."""
    image = np.random.default_rng(1).random((96, 96, 3), np.float32)
    variables = read_weights(source, like)
    features = jax.jit(
        lambda variables, images: model.apply(variables, images, method="features")
    )(variables, image[None])[0]
    expected = NumpyOpenFace(weights)(image.transpose(2, 0, 1).astype(np.float64))
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4)


def sibling(name):
    """The abstract variables of a network with further blocks behind 4a."""
    return abstract_variables(create_model(name, "openface", 128, 8.0, None), 96)


@pytest.mark.parametrize(
    ("name", "more"),
    [("nn4.small1", ("4b", "5a", "5b")), ("nn4", ("4b", "4c", "4d", "5a", "5b"))],
)
def test_the_siblings_have_csv_files_by_the_same_rule(name, more):
    """Their names and shapes, those of the blocks that nn4.small2 has not included."""
    theirs = random_weights(BLOCKS | {name: MORE[name] for name in more}, (128, 896))
    expected = {f"{csv}.csv": array.shape for (csv, _), array in theirs.items()}
    there = abstract_torch(sibling(name), file_of)
    assert {name: x.shape for name, x in there.items()} == expected


def test_the_siblings_have_no_names_in_openfacepytorch(weights, tmp_path):
    save_file(torch_state(weights), tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=r"no trunk/inception_4b.*nn4\.small2"):
        read_weights(tmp_path / "a.safetensors", sibling("nn4.small1"))


# What is wrong with a source is shown by a network of one small block.
SMALL = {"3a": (192, (2, 3), (2, 4), 5, 1)}


@pytest.fixture(scope="module")
def small():
    trunk = InceptionTrunk((Row("3a", 1, (2, 3), (2, 4), "max", 5),), OPENFACE)
    return abstract_variables(FaceNet(trunk, 6, None, 8.0), 96)


@pytest.fixture
def folder(tmp_path):
    return write_csv(tmp_path / "weights", random_weights(SMALL, dense=(6, 13)))


def test_numbers_may_be_on_several_lines_and_other_files_beside(folder, small):
    before = read_weights(folder, small)
    file = folder / "dense_w.csv"
    values = file.read_text().strip().split(",")
    lines = [",".join(values[row * 13 : row * 13 + 13]) for row in range(6)]
    file.write_text("\n".join(lines) + "\n")
    (folder / "README.md").write_text("from OpenFace")
    jax.tree.map(np.testing.assert_array_equal, read_weights(folder, small), before)


def test_an_empty_folder(tmp_path, small):
    with pytest.raises(InputError, match=f"^{tmp_path} holds no CSV files"):
        read_weights(tmp_path, small)


def test_a_missing_and_an_unknown_file(folder, small):
    (folder / "bn1_m.csv").rename(folder / "bn9_m.csv")
    with pytest.raises(InputError) as error:
        read_weights(folder, small)
    assert str(error.value) == (
        f"{folder} is not all of this model; missing: bn1_m.csv; unknown: bn9_m.csv"
    )


def test_too_few_numbers(folder, small):
    file = folder / "inception_3a_3x3_conv2_w.csv"
    file.write_text(file.read_text().partition(",")[2])
    with pytest.raises(InputError) as error:
        read_weights(folder, small)
    assert str(error.value) == (
        f"{folder} is not all of this model; misshapen: inception_3a_3x3_conv2_w.csv "
        "([53] there, [3, 2, 3, 3] here)"
    )


@pytest.mark.parametrize("content", [b"1,2,three\n", b"\xff\xfe\x00"])
def test_something_else_than_numbers(folder, small, content):
    (folder / "bn1_b.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"bn1_b\.csv has something else than numbers"):
        read_weights(folder, small)


@pytest.mark.parametrize("number", ["nan", "-inf", "1e99"])
def test_numbers_that_float32_has_not(folder, small, number):
    (folder / "bn1_b.csv").write_text(",".join(["1"] * 63 + [number]))
    with pytest.raises(InputError, match=r"not finite: bn1_b\.csv$"):
        read_weights(folder, small)


def test_another_network_has_no_such_names(folder):
    other = {"params": {"trunk": {"conv1": {"conv": {"kernel": np.ones(3)}}}}}
    with pytest.raises(InputError, match=r"no trunk/conv1/conv/kernel: .*model\.name"):
        read_weights(folder, other)


def test_a_state_dict_that_is_not_whole(small, tmp_path):
    path = tmp_path / "a.safetensors"
    state = torch_state(random_weights(SMALL, dense=(6, 13)))
    state["layer99.weight"] = state.pop("layer25.bias")
    state["layer7.running_var"] = np.ones(63, np.float32)
    save_file(state, path)
    with pytest.raises(InputError) as error:
        read_weights(path, small)
    assert str(error.value) == (
        f"{path} is not all of this model; missing: layer25.bias; unknown: "
        "layer99.weight; misshapen: layer7.running_var ([63] there, [64] here)"
    )


def test_half_precision_becomes_float32(small, tmp_path):
    path = tmp_path / "a.safetensors"
    state = torch_state(random_weights(SMALL, dense=(6, 13)))
    save_file({name: x.astype(np.float16) for name, x in state.items()}, path)
    kernel = read_weights(path, small)["params"]["embedding"]["kernel"]
    assert kernel.dtype == np.float32
    np.testing.assert_allclose(kernel, state["layer25.weight"].T, rtol=1e-3)
