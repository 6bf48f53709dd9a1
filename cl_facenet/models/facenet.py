"""FaceNet: trunk -> embedding -> logits, whose last part is dropped after training."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from cl_facenet.errors import UsageError
from cl_facenet.models.inception import NN4_SMALL2, InceptionTrunk
from cl_facenet.models.layers import torch_uniform
from cl_facenet.models.operations import l2_normalize

TRUNKS = {"nn4.small2": InceptionTrunk(NN4_SMALL2)}
GRAPHS = ("openface",)


class FaceNet(nn.Module):
    """A face embedding network with a softmax classifier on top.

    Parameters have three top-level keys: `trunk`, `embedding` and, unless
    `num_classes` is None, `logits`. `features` are the outputs of the embedding
    layer, `embedding` is their L2-normalised direction.

    Attributes:
      trunk: the convolutional part, [B, H, W, 3] -> [B, C].
      embedding_size: numbers a face, D.
      num_classes: people of the classifier; None builds none.
      logit_scale: what unit embeddings are multiplied by before the classifier.
        Without it (1.0) a softmax over many people cannot become confident.
    """

    trunk: nn.Module
    embedding_size: int
    num_classes: int | None
    logit_scale: float

    def setup(self) -> None:
        self.embedding = nn.Dense(self.embedding_size, kernel_init=torch_uniform)
        if self.num_classes is not None:
            self.logits = nn.Dense(self.num_classes)

    def features(
        self, images: jax.Array, mask: jax.Array | None = None, *, train: bool = False
    ) -> jax.Array:
        """Images [B, H, W, 3] in [0, 1] -> features [B, D]; mask [B]: real rows."""
        if mask is None:
            mask = jnp.ones(images.shape[0], bool)
        return self.embedding(self.trunk(images, mask, train=train))

    def classify(self, features: jax.Array) -> jax.Array:
        """Features [B, D] -> logits [B, num_classes]."""
        return self.logits(self.logit_scale * l2_normalize(features))

    def __call__(
        self, images: jax.Array, mask: jax.Array | None = None, *, train: bool = False
    ) -> dict[str, jax.Array]:
        """Images [B, H, W, 3] in [0, 1] -> features, embedding and, if any, logits."""
        features = self.features(images, mask, train=train)
        outputs = {"features": features, "embedding": l2_normalize(features)}
        if self.num_classes is not None:
            outputs["logits"] = self.classify(features)
        return outputs


def create_model(
    name: str,
    graph: str,
    embedding_size: int,
    logit_scale: float,
    num_classes: int | None,
) -> FaceNet:
    """The network that the `model` section of a config names."""
    if name not in TRUNKS:
        raise UsageError(f"model.name is {name!r}: choose one of {', '.join(TRUNKS)}")
    if graph not in GRAPHS:
        raise UsageError(f"model.graph is {graph!r}: choose one of {', '.join(GRAPHS)}")
    return FaceNet(TRUNKS[name], embedding_size, num_classes, logit_scale)


def abstract_variables(model: FaceNet, image_size: int) -> dict[str, Any]:
    """Shapes and types of a model's variables, without making any."""
    images = jax.ShapeDtypeStruct((1, image_size, image_size, 3), jnp.float32)
    return jax.eval_shape(model.init, jax.random.key(0), images)


def unit_range(images: jax.Array) -> jax.Array:
    """uint8 images in 0..255 to float32 in [0, 1]; floats are taken to be there."""
    if images.dtype == jnp.uint8:
        return images.astype(jnp.float32) / 255
    return images.astype(jnp.float32)
