"""FaceNet: trunk -> embedding -> logits, whose last part is dropped after training."""

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer

from cl_facenet.errors import InputError, UsageError
from cl_facenet.models.compute import DTYPES, Compute
from cl_facenet.models.ending import Ending, LinearBN
from cl_facenet.models.face_resnet import FaceResNet
from cl_facenet.models.graphs import GRAPHS
from cl_facenet.models.inception import (
    NN2,
    NN4,
    NN4_SMALL1,
    NN4_SMALL2,
    InceptionTrunk,
    Row,
)
from cl_facenet.models.inception_resnet import InceptionResNetV1
from cl_facenet.models.layers import xavier_uniform
from cl_facenet.models.operations.lengths import l2_normalize, l2_normalize_above
from cl_facenet.models.rows import Rows
from cl_facenet.models.vgg import VGGFace

# The logit, or cosine, of a column that is nobody's: its share of a softmax is 0.
NOBODY = -1e30


class Network(NamedTuple):
    """A trunk, and how what stands behind it is made."""

    trunk: nn.Module
    ending: Ending = Ending()


def _by_graph(rows: tuple[Row, ...]) -> dict[str, Network]:
    return {
        name: Network(InceptionTrunk(rows, graph), graph.ending)
        for name, graph in GRAPHS.items()
    }


# By name, then by graph. `published`: as its authors have it, of whom all agree.
NETWORKS = {
    "nn4.small2": _by_graph(NN4_SMALL2),
    "nn4.small1": _by_graph(NN4_SMALL1),
    "nn4": _by_graph(NN4),
    "nn2": _by_graph(NN2),
    "inception_resnet_v1": {
        "published": Network(
            InceptionResNetV1(),
            Ending(LinearBN, normalize=partial(l2_normalize_above, floor=1e-12)),
        )
    },
    "vgg_face": {"published": Network(VGGFace())},
    "face_resnet": {
        "published": Network(FaceResNet(), Ending(kernel_init=xavier_uniform))
    },
}


class FaceNet(nn.Module):
    """A face embedding network with a classifier on top.

    Parameters have three top-level keys: `trunk`, `embedding` and, where there is a
    classifier, `logits`. `features` are the outputs of the embedding layer, `embedding`
    is their L2-normalised direction.

    Attributes:
      trunk: the convolutional part, [B, H, W, 3] -> [B, C].
      embedding_size: numbers a face, D.
      num_classes: people trained on; None: nobody, and no classifier.
      logit_scale: what unit embeddings are multiplied by before a dense classifier, or
        the cosines of a cosine one; others have none. Without it (1.0) a
        softmax over many people cannot become confident.
      head: the classifier, one of HEADS; None builds none.
      dropout: share of the trunk's outputs that training leaves out, at random.
      ending: how embedding layer, normalisation and classifier are made.
      spare_columns: of the classifier beyond num_classes, that are nobody: zeros, with
        logits that no softmax sees. With them it divides evenly among devices.
    """

    trunk: nn.Module
    embedding_size: int
    num_classes: int | None
    logit_scale: float
    head: str | None = "dense"
    dropout: float = 0.0
    ending: Ending = Ending()
    spare_columns: int = 0

    @property
    def classifies(self) -> bool:
        """Whether there is a classifier."""
        return self.num_classes is not None and self.head is not None

    def setup(self) -> None:
        self.drop = nn.Dropout(self.dropout)
        self.embedding = self.ending.embedding(
            self.embedding_size, self.ending.kernel_init
        )
        if self.num_classes is not None and self.head is not None:
            self.logits = HEADS[self.head](
                self.num_classes + self.spare_columns,
                kernel_init=_spared(self.ending.logits_init, self.spare_columns),
            )

    def features(
        self, images: jax.Array, rows: Rows | None = None, *, train: bool = False
    ) -> jax.Array:
        """Images [B, H, W, 3] in [0, 1] -> float32 features [B, D]; rows None: all.

        In training with dropout, `apply` wants an rng named `dropout`.
        """
        if images.ndim != 4 or images.shape[3] != 3:
            raise InputError(
                f"images of shape {list(images.shape)}: this network takes "
                "[batch, height, width, 3]"
            )
        self.trunk.check_size(*images.shape[1:3])
        if rows is None:
            rows = Rows.all_of(images)
        x = self.trunk(images, rows, train=train)
        x = self.drop(x.astype(jnp.float32), deterministic=not train)
        return self.embedding(x, rows, train=train)

    @nn.nowrap
    def normalize(self, features: jax.Array) -> jax.Array:
        """Features [..., D] -> embedding [..., D], float32; needs no parameters."""
        return self.ending.normalize(features)

    def outputs(self, features: jax.Array) -> dict[str, jax.Array]:
        """Features [B, D] -> features, embedding and what the head gives.

        Of a dense or linear head that is `logits` [B, C]; of the others `logits`,
        `cosines` [B, C] and `radius` [B, 1], with logits = radius * cosines. C is
        num_classes and the spare columns.
        """
        embedding = self.normalize(features)
        outputs = {"features": features, "embedding": embedding}
        if not self.classifies:
            return outputs
        if self.head in ("dense", "linear"):
            x = features if self.head == "linear" else self.logit_scale * embedding
            return outputs | {"logits": self._without_spares(self.logits(x))}
        radius = (
            jnp.full((len(features), 1), self.logit_scale, jnp.float32)
            if self.head == "cosine"
            else jnp.linalg.norm(features.astype(jnp.float32), axis=-1, keepdims=True)
        )
        cosines = self._without_spares(self.logits(embedding))
        return outputs | {
            "cosines": cosines,
            "radius": radius,
            "logits": radius * cosines,
        }

    def _without_spares(self, columns: jax.Array) -> jax.Array:
        """[B, C], where the spare columns are nobody's."""
        if not self.spare_columns:
            return columns
        number = columns.shape[-1]
        is_somebody = jnp.arange(number) < number - self.spare_columns
        return jnp.where(is_somebody, columns, NOBODY)

    def __call__(
        self, images: jax.Array, rows: Rows | None = None, *, train: bool = False
    ) -> dict[str, jax.Array]:
        """Images [B, H, W, 3] in [0, 1] -> what `outputs` gives."""
        return self.outputs(self.features(images, rows, train=train))


class Cosines(nn.Module):
    """Unit rows x [B, D] -> their cosines with every column of the kernel, [B, C].

    In full float32: by default a TPU rounds both to bfloat16, a GPU to TF32; near 1,
    where a margin's arccos is steep, 1e-3 of a cosine are 2.5 degrees.
    """

    features: int
    kernel_init: Initializer

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        columns = l2_normalize(kernel.T).T
        return jnp.matmul(x, columns, precision="highest")


def _spared(init: Initializer, spare_columns: int) -> Initializer:
    """`init` for the columns that are somebody's, zeros behind them."""

    def spared(
        key: jax.Array, shape: Any, dtype: Any = None, out_sharding: Any = None
    ) -> jax.Array:
        *rows, columns = shape
        drawn = init(key, (*rows, columns - spare_columns), dtype, out_sharding)
        return jnp.pad(drawn, [(0, 0)] * len(rows) + [(0, spare_columns)])

    return spared


# A dense or linear head is computed as the layers of a trunk are: its products go into
# a softmax, which does not magnify what rounding does to them.
# Of the embedding x, dense: W s x + b; cosine: s times the cosine. Of the features f,
# linear: W f + b; angular: ||f|| times the cosine (SphereFace).
HEADS = {
    "dense": nn.Dense,
    "linear": nn.Dense,
    "cosine": Cosines,
    "angular": Cosines,
}


def create_model(
    name: str,
    graph: str,
    embedding_size: int,
    logit_scale: float,
    num_classes: int | None,
    dropout: float = 0.0,
    dtype: str = "float32",
    remat: bool = False,
    head: str | None = "dense",
    spare_columns: int = 0,
) -> FaceNet:
    """The network that the `model` section of a config names."""
    if name not in NETWORKS:
        raise UsageError(f"model.name is {name!r}: choose one of {', '.join(NETWORKS)}")
    graphs = NETWORKS[name]
    if graph not in graphs:
        raise UsageError(
            f"model.graph is {graph!r}: choose one of {', '.join(graphs)} for {name}"
        )
    if dtype not in DTYPES:
        raise UsageError(f"model.dtype is {dtype!r}: choose one of {', '.join(DTYPES)}")
    trunk, ending = graphs[graph]
    return FaceNet(
        trunk.clone(compute=Compute(dtype, remat)),
        embedding_size,
        num_classes,
        logit_scale,
        head,
        dropout,
        ending,
        spare_columns,
    )


def abstract_variables(model: FaceNet, image_size: int) -> dict[str, Any]:
    """Shapes and types of a model's variables, without making any.

    `batch_stats` are there, though empty, if no layer has any.
    """

    def init(images: jax.Array) -> Any:
        return model.init(jax.random.key(0), images)  # a key made outside is compiled

    images = jax.ShapeDtypeStruct((1, image_size, image_size, 3), jnp.float32)
    return {"batch_stats": {}} | jax.eval_shape(init, images)


def unit_range(images: jax.Array) -> jax.Array:
    """uint8 images in 0..255 to float32 in [0, 1]; floats are taken to be there."""
    if images.dtype == jnp.uint8:
        return images.astype(jnp.float32) / 255
    return images.astype(jnp.float32)
