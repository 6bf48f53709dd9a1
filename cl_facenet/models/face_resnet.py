"""The residual network of the center loss's authors (caffe-face's prototxt).

Not the one drawn in their paper (Wen et al. 2016, figure 4), whose numbers of layers
are not given; this is the one that they published code and results of.
"""

import flax.linen as nn
import jax
from jax.nn.initializers import Initializer

from cl_facenet.models.compute import Compute
from cl_facenet.models.layers import Conv, Pad, xavier_uniform
from cl_facenet.models.operations.pools import max_pool
from cl_facenet.models.rows import Rows
from cl_facenet.models.sizes import require_size

# Residual units, and channels of the convolution and max pool behind them.
STAGES = ((1, 128), (2, 256), (5, 512), (3, None))


class PReLU(nn.Module):
    """x, and below zero slope * x, a slope for every channel (He et al. 2015)."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        start = nn.initializers.constant(0.25)
        slope = self.param("slope", start, (x.shape[-1],))
        return nn.relu(x) - slope.astype(x.dtype) * nn.relu(-x)


class ConvPReLU(nn.Module):
    """A 3x3 convolution with bias, then PReLU."""

    features: int
    padding: Pad = 0
    kernel_init: Initializer = xavier_uniform
    frozen_bias: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x, bias = Conv(
            self.features,
            kernel=3,
            padding=self.padding,
            kernel_init=self.kernel_init,
            name="conv",
        )(x)
        if self.frozen_bias:
            bias = jax.lax.stop_gradient(bias)
        return PReLU(name="prelu")(x + bias.astype(x.dtype))


class ResidualUnit(nn.Module):
    """x + two convolutions of x; nothing behind the sum. Biases stay at 0."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        y = x
        for number in (1, 2):
            y = ConvPReLU(
                x.shape[-1],
                padding="half",
                kernel_init=nn.initializers.normal(0.01),
                frozen_bias=True,
                name=f"conv{number}",
            )(y)
        return x + y


class FaceResNet(nn.Module):
    """[B, 112, 112, 3] in [0, 1] -> [B, 10240], 5x4 places by 512 channels.

    Its images are 112 high and 96 wide. Eight columns on either side are cut off here,
    which makes caffe-face's crop of photos aligned by ArcFace's template (`dlib5`): the
    two templates differ by just these 8. Pixels become (255 x - 127.5) / 128.
    """

    compute: Compute = Compute()

    @nn.compact
    def __call__(self, images: jax.Array, rows: Rows, *, train: bool) -> jax.Array:
        x = self.compute.cast((images[:, :, 8:-8] * 255 - 127.5) / 128)
        x = ConvPReLU(32, name="conv1a")(x)
        x = max_pool(ConvPReLU(64, name="conv1b")(x), 2, 2, 0)
        for stage, (units, features) in enumerate(STAGES, start=2):
            for number in range(1, units + 1):
                unit = ResidualUnit(name=f"res{stage}_{number}")
                x = self.compute.block(ResidualUnit.__call__, unit, x)
            if features is not None:
                x = max_pool(ConvPReLU(features, name=f"conv{stage}")(x), 2, 2, 0)
        return x.reshape(x.shape[0], -1)

    def check_size(self, height: int, width: int) -> None:
        """Raises InputError for images that the network cannot take."""
        require_size(height == width == 112, height, width, "112x112 only")
