"""From Torch's layout to ours."""

import numpy as np
import pytest

from cl_facenet.interop.torch_layout import from_torch, torch_shape


def test_a_convolution_by_its_indices():
    theirs = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)  # out, in, height, width
    ours = from_torch(theirs)
    assert ours.shape == (4, 5, 3, 2)
    for o, i, h, w in np.ndindex(theirs.shape):
        assert ours[h, w, i, o] == theirs[o, i, h, w]


def test_a_dense_layer_gives_the_same_outputs():
    theirs, x = np.arange(6.0).reshape(2, 3), np.arange(3.0)
    np.testing.assert_array_equal(x @ from_torch(theirs), theirs @ x)


@pytest.mark.parametrize("shape", [(7,), (2, 3), (2, 3, 4, 5)])
def test_shapes_go_both_ways(shape):
    assert torch_shape(from_torch(np.zeros(shape)).shape) == shape
