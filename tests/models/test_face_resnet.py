"""What is peculiar to caffe-face's network."""

import jax
import jax.numpy as jnp
import numpy as np

from cl_facenet.models.face_resnet import FaceResNet, PReLU, ResidualUnit
from cl_facenet.models.rows import Rows


def test_prelu_has_a_slope_for_every_channel():
    x = jnp.array([[-2.0, -2.0, 3.0], [1.0, -1.0, -1.0]])
    slopes = {"params": {"slope": jnp.array([0.5, 0.25, 0.1])}}
    expected = [[-1.0, -0.5, 3.0], [1.0, -0.25, -0.1]]
    np.testing.assert_allclose(PReLU().apply(slopes, x), expected, rtol=1e-6)


def test_biases_of_residual_units_do_not_move_and_all_else_does():
    x = jax.random.normal(jax.random.key(0), (2, 5, 4, 3))
    unit = ResidualUnit()
    params = unit.init(jax.random.key(1), x)["params"]
    grads = jax.grad(lambda p: jnp.square(unit.apply({"params": p}, x)).sum())(params)
    for layer in ("conv1", "conv2"):
        np.testing.assert_array_equal(grads[layer]["conv"]["bias"], 0)
        assert np.abs(grads[layer]["conv"]["kernel"]).max() > 0
        assert np.abs(grads[layer]["prelu"]["slope"]).max() > 0


def test_the_eight_outer_columns_are_not_looked_at():
    """112x112 by ArcFace's template, less 8 columns a side, is caffe-face's 112x96."""
    images = np.random.default_rng(0).random((1, 112, 112, 3), np.float32)
    masked = images.copy()
    masked[:, :, :8], masked[:, :, -8:] = 0, 1
    trunk, rows = FaceResNet(), Rows(np.ones(1, bool))
    key = jax.random.key(0, impl="rbg")
    variables = jax.jit(lambda: trunk.init(key, images, rows, train=False))()
    apply = jax.jit(lambda v, x: trunk.apply(v, x, rows, train=False))
    one, other = (apply(variables, x) for x in (images, masked))
    np.testing.assert_array_equal(one, other)
    inner = images.copy()
    inner[:, :, 8] = 0
    assert np.abs(apply(variables, inner) - one).max() > 0
