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
    """A face embedding network with a classifier on top.

    Parameters have three top-level keys: `trunk`, `embedding` and, where there is a
    classifier, `logits`. `features` are the outputs of the embedding layer, `embedding`
    is their L2-normalised direction.

    Attributes:
      trunk: the convolutional part, [B, H, W, 3] -> [B, C].
      embedding_size: numbers a face, D.
      num_classes: people trained on; None: nobody, and no classifier.
      logit_scale: what unit embeddings are multiplied by before the classifier.
        Without it (1.0) a softmax over many people cannot become confident.
      head: the classifier, one of HEADS; None builds none.
    """

    trunk: nn.Module
    embedding_size: int
    num_classes: int | None
    logit_scale: float
    head: str | None = "dense"

    @property
    def classifies(self) -> bool:
        """Whether there is a classifier."""
        return self.num_classes is not None and self.head is not None

    def setup(self) -> None:
        self.embedding = nn.Dense(self.embedding_size, kernel_init=torch_uniform)
        if self.classifies:
            self.logits = HEADS[self.head](self.num_classes)

    def features(
        self, images: jax.Array, mask: jax.Array | None = None, *, train: bool = False
    ) -> jax.Array:
        """Images [B, H, W, 3] in [0, 1] -> features [B, D]; mask [B]: real rows."""
        if mask is None:
            mask = jnp.ones(images.shape[0], bool)
        return self.embedding(self.trunk(images, mask, train=train))

    def normalize(self, features: jax.Array) -> jax.Array:
        """Features [B, D] -> embeddings of unit length, float32."""
        return l2_normalize(features)

    def outputs(self, features: jax.Array) -> dict[str, jax.Array]:
        """Features [B, D] -> features, embedding and what the head gives.

        Of a dense head that is `logits` [B, num_classes]; of the others `logits`,
        `cosines` [B, num_classes] and `radius` [B, 1], with logits = radius * cosines.
        """
        embedding = self.normalize(features)
        outputs = {"features": features, "embedding": embedding}
        if not self.classifies:
            return outputs
        if self.head == "dense":
            return outputs | {"logits": self.logits(self.logit_scale * embedding)}
        radius = (
            jnp.full((len(features), 1), self.logit_scale, jnp.float32)
            if self.head == "cosine"
            else jnp.linalg.norm(features.astype(jnp.float32), axis=-1, keepdims=True)
        )
        cosines = self.logits(embedding)
        return outputs | {
            "cosines": cosines,
            "radius": radius,
            "logits": radius * cosines,
        }

    def __call__(
        self, images: jax.Array, mask: jax.Array | None = None, *, train: bool = False
    ) -> dict[str, jax.Array]:
        """Images [B, H, W, 3] in [0, 1] -> what `outputs` gives."""
        return self.outputs(self.features(images, mask, train=train))


class Cosines(nn.Module):
    """Unit rows x [B, D] -> their cosines with every column of the kernel, [B, C]."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        return x @ l2_normalize(kernel.T).T


# dense: W s x + b. cosine: s times the cosine; angular: ||x|| times it (SphereFace).
HEADS = {"dense": nn.Dense, "cosine": Cosines, "angular": Cosines}


def create_model(
    name: str,
    graph: str,
    embedding_size: int,
    logit_scale: float,
    num_classes: int | None,
    head: str | None = "dense",
) -> FaceNet:
    """The network that the `model` section of a config names."""
    if name not in TRUNKS:
        raise UsageError(f"model.name is {name!r}: choose one of {', '.join(TRUNKS)}")
    if graph not in GRAPHS:
        raise UsageError(f"model.graph is {graph!r}: choose one of {', '.join(GRAPHS)}")
    return FaceNet(TRUNKS[name], embedding_size, num_classes, logit_scale, head)


def abstract_variables(model: FaceNet, image_size: int) -> dict[str, Any]:
    """Shapes and types of a model's variables, without making any."""
    images = jax.ShapeDtypeStruct((1, image_size, image_size, 3), jnp.float32)
    return jax.eval_shape(model.init, jax.random.key(0), images)


def unit_range(images: jax.Array) -> jax.Array:
    """uint8 images in 0..255 to float32 in [0, 1]; floats are taken to be there."""
    if images.dtype == jnp.uint8:
        return images.astype(jnp.float32) / 255
    return images.astype(jnp.float32)
