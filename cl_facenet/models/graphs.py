"""The graphs: how those who published an Inception network read its tables.

`openface` is OpenFace's definition as it stands today. Its released weights were
trained before commit 49fffb3 (June 2016), in which pooling changed without a word:
`openface_released`. Deeplearning4j's network of the same name pads and starts in ways
of its own: `dl4j`.
"""

from functools import partial
from typing import NamedTuple

from jax.nn.initializers import Initializer

from cl_facenet.models.ending import Ending
from cl_facenet.models.layers import Pad, he_normal, torch_uniform
from cl_facenet.models.operations.lengths import l2_normalize_above


class Pool(NamedTuple):
    """Stride and padding of a pool over 3x3."""

    stride: int
    padding: Pad


class Graph(NamedTuple):
    """All in which the graphs differ. Blocks are named as in the tables.

    A pool's map that is smaller than its block's is set in the middle of zeros, the
    odd row and column after, as Torch's DepthConcat does.
    """

    conv_padding: Pad  # of all convolutions
    stem_pool: Pool
    max_pool: Pool  # of blocks of stride 1
    max_pool_down: Pool  # of blocks of stride 2
    l2_pool: Pool
    kernel_5x5_down: int  # of the branches called 5x5 in blocks of stride 2
    first_1x1: tuple[str, ...]  # blocks that put the 1x1 branch first; others last
    biased: tuple[str, ...]  # blocks whose biases start at 0.2; others at 0
    lrn_alpha: float
    pixel_range: float  # of the images, from 0 to this
    kernel_init: Initializer  # of convolutions
    ending: Ending

    def pool(self, kind: str, stride: int) -> Pool:
        """The pool of a block of this stride; `kind` is max or l2."""
        if kind == "l2":
            return self.l2_pool
        return self.max_pool if stride == 1 else self.max_pool_down


OPENFACE = Graph(
    conv_padding="half",
    stem_pool=Pool(2, 1),
    max_pool=Pool(1, 1),
    max_pool_down=Pool(2, 1),
    l2_pool=Pool(1, 0),
    kernel_5x5_down=5,
    first_1x1=(),
    biased=(),
    lrn_alpha=1e-4 / 5,  # Torch divides by the window
    pixel_range=1.0,
    kernel_init=torch_uniform,
    ending=Ending(),
)

OPENFACE_RELEASED = OPENFACE._replace(
    max_pool=Pool(2, 0), max_pool_down=Pool(2, 0), l2_pool=Pool(3, 0)
)

DL4J = Graph(
    conv_padding="same",
    stem_pool=Pool(2, "same"),
    max_pool=Pool(1, "same"),
    max_pool_down=Pool(2, "same"),
    l2_pool=Pool(1, "same"),
    kernel_5x5_down=3,
    first_1x1=("5a", "5b"),
    biased=("3a", "3b", "4a"),
    lrn_alpha=1e-4,
    pixel_range=255.0,
    kernel_init=he_normal,
    ending=Ending(
        kernel_init=he_normal,
        logits_init=he_normal,
        normalize=partial(l2_normalize_above, floor=1e-6),
    ),
)

GRAPHS = {"openface": OPENFACE, "openface_released": OPENFACE_RELEASED, "dl4j": DL4J}
