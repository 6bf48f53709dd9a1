"""VGG-Face: VGG-16 up to fc6 (Parkhi et al. 2015; OpenFace's `vgg-face.def.lua`)."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from cl_facenet.models.compute import Compute
from cl_facenet.models.layers import Conv, he_normal
from cl_facenet.models.operations.pools import max_pool
from cl_facenet.models.rows import Rows
from cl_facenet.models.sizes import require_size

# Channels and number of the 3x3 convolutions before each of the five max pools.
STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
RGB_MEAN = (129.1863, 104.7624, 93.5940)  # of the photos trained on, of 0..255


class VGGFace(nn.Module):
    """[B, 224, 224, 3] in [0, 1] -> [B, fc6], a ReLU behind every layer.

    The last map is flattened by rows, columns, channels (Torch: channels first).
    Without batch normalisation Torch's starting values would fade, layer by layer, to
    nothing: convolutions and fc6 start at He's.
    """

    stages: tuple[tuple[int, int], ...] = STAGES
    fc6: int = 4096
    compute: Compute = Compute()

    @nn.compact
    def __call__(self, images: jax.Array, rows: Rows, *, train: bool) -> jax.Array:
        x = self.compute.cast(images * 255 - jnp.array(RGB_MEAN))
        for stage, (features, repeats) in enumerate(self.stages, start=1):
            for number in range(1, repeats + 1):
                conv = Conv(
                    features,
                    kernel=3,
                    padding="half",
                    kernel_init=he_normal,
                    name=f"conv{stage}_{number}",
                )
                x = self.compute.block(_conv_relu, conv, x)
            x = max_pool(x, 2, 2, 0)
        x = x.reshape(x.shape[0], -1)
        fc6 = nn.Dense(self.fc6, dtype=x.dtype, kernel_init=he_normal, name="fc6")
        return nn.relu(fc6(x))

    def check_size(self, height: int, width: int) -> None:
        """Raises InputError for images that the network cannot take."""
        require_size(height == width == 224, height, width, "224x224 only")


def _conv_relu(conv: Conv, x: jax.Array) -> jax.Array:
    y, bias = conv(x)
    return nn.relu(y + bias.astype(y.dtype))
