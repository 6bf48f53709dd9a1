"""Our own variables in a safetensors file, and files that are none."""

import json
import pickle
import struct
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from cl_facenet.errors import InputError
from cl_facenet.interop.tensors import write_variables
from cl_facenet.interop.weights import read_weights

VARIABLES = {
    "params": {
        "trunk": {
            "conv": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3).T},
            "bn": {"scale": jnp.ones(3)},
        },
        "embedding": {"bias": np.zeros(4, np.float32)},
    },
    "batch_stats": {"trunk": {"bn": {"mean": np.full(3, 5, np.float32)}}},
}


def test_written_and_read_again(tmp_path):
    """Also an array whose memory is in another order than its indices."""
    path = tmp_path / "model.safetensors"
    write_variables(path, VARIABLES)
    jax.tree.map(
        np.testing.assert_array_equal, read_weights(path, VARIABLES), VARIABLES
    )
    assert list(tmp_path.iterdir()) == [path]


def test_names_in_the_file(tmp_path):
    write_variables(tmp_path / "model.safetensors", VARIABLES)
    assert set(load_file(tmp_path / "model.safetensors")) == {
        "trunk/conv/kernel",
        "trunk/bn/scale",
        "embedding/bias",
        "batch_stats/trunk/bn/mean",
    }


@pytest.mark.parametrize("left", [0, 5, 60, -1])
def test_cut_short(tmp_path, left):
    path = tmp_path / "model.safetensors"
    write_variables(path, VARIABLES)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(InputError, match=r"model\.safetensors is damaged"):
        read_weights(path, VARIABLES)


class Trap:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["a.pth", "a.pt", "a.t7", "a.pkl", "a.safetensors"])
def test_a_pickle_is_never_loaded(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(InputError, match=r"save (its state dict|it again) as safeten"):
        read_weights(tmp_path / name, VARIABLES)
    assert not (tmp_path / "sprung").exists()


def test_nothing_there(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        read_weights(tmp_path / "a.safetensors", VARIABLES)


@pytest.mark.parametrize(
    ("arrays", "says"), [({"conv.w": np.ones(2)}, "conv.w"), ({}, "no arrays")]
)
def test_names_that_nobody_uses(tmp_path, arrays, says):
    save_file(arrays, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=rf"neither ours nor .*\({says}\)"):
        read_weights(tmp_path / "a.safetensors", VARIABLES)


@pytest.mark.parametrize(("dtype", "size"), [("F8_E4M3", 2), ("F4", 1)])
def test_numbers_that_numpy_has_not(tmp_path, dtype, size):
    about = {"dtype": dtype, "shape": [2], "data_offsets": [0, size]}
    header = json.dumps({"trunk/a": about}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
    with pytest.raises(InputError, match=r"a\.safetensors is damaged, or not"):
        read_weights(path, VARIABLES)


@pytest.mark.parametrize(
    ("name", "array"),
    [("trunk/conv", np.ones(1)), ("trunk/conv/kernel", np.ones((3, 2), np.complex64))],
)
def test_arrays_that_are_no_weights(tmp_path, name, array):
    path = tmp_path / "a.safetensors"
    write_variables(path, VARIABLES)
    save_file(load_file(path) | {name: array}, path)
    with pytest.raises(InputError, match=rf"{name} is no array of weights"):
        read_weights(path, VARIABLES)
