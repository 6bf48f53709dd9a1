"""Six center losses that people run: what each weighs, where it starts, how it moves.

All have the form lambda * half the mean ||x - c||^2 beside an identity loss that is a
mean; they differ in the lambda that is their source's default, in the initial centers
and in the update. What a source calls its weight is not always lambda: `to_lambda` says
what it amounts to.
S_j and n_j are those of `Pull`: the sum of (c_j - x_i) over the n_j photos of person j
in a batch of B.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from cl_facenet.centers import CenterState, Pull

CAFFE_MOMENTUM = 0.9  # face_solver.prototxt
CAFFE_DECAY = 1e-3  # decay_mult 2 of face_train_test.prototxt times the solver's 5e-4
DL4J_NO_LENGTH = 1e-5  # what BaseMultiLayerUpdater divides by where the length is 0

# The update: (center state, pull, alpha) -> center state.
Update = Callable[[CenterState, Pull, float], CenterState]


def paper(state: CenterState, pull: Pull, alpha: float) -> CenterState:
    """c_j <- c_j - alpha S_j / (1 + n_j) (Wen et al. 2016, equation 4)."""
    return _take(state, pull, alpha * _averaged(pull))


def caffe_face(state: CenterState, pull: Pull, alpha: float) -> CenterState:
    """v <- 0.9 v + alpha (S_j / (1 + n_j) + 1e-3 c); c <- c - v, of everybody.

    Caffe's SGD on the gradient of `center_loss_layer.cpp`: alpha is its learning rate.
    People who are not in the batch coast on their velocity and decay, so this rule
    alone costs O(people * dims).
    """
    centers = state["centers"]
    gradient = (
        (CAFFE_DECAY * centers).at[pull.people_p].add(_averaged(pull), mode="drop")
    )
    velocity = CAFFE_MOMENTUM * state["velocity"] + alpha * gradient
    return {"centers": centers - velocity, "velocity": velocity}


def sandberg(state: CenterState, pull: Pull, alpha: float) -> CenterState:
    """c_j <- c_j - alpha S_j; facenet.py's `alfa` is 1 - alpha.

    Not divided by n_j: with alpha n_j of 2 or more the centers run away.
    """
    return _take(state, pull, alpha * pull.sum_pd)


def pytorch(state: CenterState, pull: Pull, alpha: float) -> CenterState:
    """c_j <- c_j - alpha (2 / B) S_j: pytorch-center-loss; alpha: its `lr_cent`."""
    return _take(state, pull, alpha * 2 * pull.sum_pd / pull.batch_size)


def dl4j(state: CenterState, pull: Pull, alpha: float) -> CenterState:
    """c_j <- c_j - alpha S_j / ((1 + n_j) B): Deeplearning4j's CenterLossOutputLayer.

    The division by B is what its updater does to every gradient of a batch.
    """
    return _take(state, pull, alpha * _averaged(pull) / pull.batch_size)


def dl4j_zoo(state: CenterState, pull: Pull, alpha: float) -> CenterState:
    """c <- c - g_c / ||[g_W, g_b, g_c]||, with g_c = alpha S_j / (1 + n_j).

    The layer of Deeplearning4j's FaceNetNN4Small2 and of its tutorial, which sets
    RenormalizeL2PerLayer: all that the layer learns moves by one unit step together.
    """
    step = alpha * _averaged(pull)
    return _take(state, pull, step / layer_norm(pull, alpha))


def layer_norm(pull: Pull, alpha: float) -> jax.Array:
    """||[g_W, g_b, g_c]||, by which `dl4j_zoo` divides all three."""
    norm = jnp.hypot(pull.head_norm, jnp.linalg.norm(alpha * _averaged(pull)))
    return jnp.where(norm > 0, norm, DL4J_NO_LENGTH)


def _averaged(pull: Pull) -> jax.Array:
    return pull.sum_pd / (1 + pull.count_p)[:, None]


def _take(state: CenterState, pull: Pull, step_pd: jax.Array) -> CenterState:
    """Subtracts a step from the rows of those in the batch, in place if donated."""
    centers = state["centers"].at[pull.people_p].add(-step_pd, mode="drop")
    return state | {"centers": centers}


# Initial centers: (key, classes, dims) -> float32 [classes, dims].
Initial = Callable[[jax.Array, int, int], jax.Array]


def _zeros(key: jax.Array, classes: int, dims: int) -> jax.Array:
    return jnp.zeros((classes, dims), jnp.float32)


def _normal(key: jax.Array, classes: int, dims: int) -> jax.Array:
    return jax.random.normal(key, (classes, dims), jnp.float32)


def _xavier(key: jax.Array, classes: int, dims: int) -> jax.Array:
    bound = (3 / dims) ** 0.5
    return jax.random.uniform(key, (classes, dims), jnp.float32, -bound, bound)


class Rule(NamedTuple):
    """A center loss as its source has it.

    Attributes:
      weight, alpha: the source's defaults, the weight as the source means it.
      to_lambda: (the source's weight, dims) -> lambda, what multiplies half the mean
        ||x - c||^2: of means over a batch of embeddings of so many dims.
      initial: the centers at step 0.
      update: how they move.
      velocity: whether the center state holds one.
      layer_norm: what the gradients of the classifier, summed over the batch, are
        divided by before the optimizer; None leaves them as they are.
    """

    weight: float
    alpha: float
    to_lambda: Callable[[float, int], float]
    initial: Initial
    update: Update
    velocity: bool = False
    layer_norm: Callable[[Pull, float], jax.Array] | None = None

    def head_gradients(self, grads: Any, pull: Pull, alpha: float) -> Any:
        """Mean gradients of the classifier as the optimizer is to have them."""
        if self.layer_norm is None:
            return grads
        scale = pull.batch_size / self.layer_norm(pull, alpha)
        return optax.tree.scale(scale, grads)

    def init(self, key: jax.Array, classes: int, dims: int) -> CenterState:
        """The center state at step 0."""
        state = {"centers": self.initial(key, classes, dims)}
        if self.velocity:
            state["velocity"] = _zeros(key, classes, dims)
        return state


def _same(weight: float, dims: int) -> float:
    return weight


RULES = {
    "paper": Rule(0.003, 0.5, _same, _zeros, paper),
    "caffe_face": Rule(0.008, 0.1, _same, _xavier, caffe_face, velocity=True),
    "sandberg": Rule(0.0, 0.05, lambda w, dims: 2 * w / dims, _zeros, sandberg),
    "pytorch": Rule(1.0, 0.5, lambda w, dims: 2 * w, _normal, pytorch),
    "dl4j": Rule(2e-4, 0.05, _same, _zeros, dl4j),
    "dl4j_zoo": Rule(1e-4, 0.9, _same, _zeros, dl4j_zoo, layer_norm=layer_norm),
}
