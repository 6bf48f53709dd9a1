"""What was tried on the way to a recipe for LFW, each as changes to BASE.

They are trained on four fifths of the people of view 1's training half and chosen by
the others (view1_tune). `base` and `head`, `strong`, and `short` each stand for a
recipe and a number of photos seen; what follows the comma is changed in it.
"""

import math

NUM_PHOTOS = 80_000  # that a trial sees
SHORT, MEDIUM, LONG = 40_000, 150_000, 300_000
# Photos of the four fifths, of people with at least so many.
PHOTOS = {1: 7_263, 2: 4_979}
# The recipe that all are changes to, in full: configs/lfw.py is the one chosen.
BASE = (
    "batch_size=64",
    "log_every_steps=50",
    "data.heldout_share=0.0",
    "model.logit_scale=20.0",
    "center.weight=0.1",
)
WITH_MARGIN = ("loss.name=cosface", "loss.margin=0.1")
WITHOUT = ("loss.name=softmax",)


def flags(
    *changes: str,
    min_photos: int = 2,
    num_photos: int = NUM_PHOTOS,
    composites: int = 0,
    loss: tuple[str, ...] = WITH_MARGIN,
) -> tuple[str, ...]:
    """What cl_facenet.main is given for a trial.

    Args:
      num_photos: that it sees; epochs are whole, so it may be a few more.
      composites: how many people are made of two, of four photos each.
    """
    epochs = math.ceil(num_photos / (PHOTOS[min_photos] + 4 * composites))
    return (
        "--config=configs/nn4.py:lfw",
        "--config.data.lfw.protocol=view1_tune",
        f"--config.data.min_photos={min_photos}",
        f"--config.data.composites.people={composites}",
        f"--config.num_epochs={epochs}",
        *(f"--config.{change}" for change in (*BASE, *loss, *changes)),
    )


EIGENFACES = {"eigenfaces": "dlib", "head, eigenfaces": "dlib5_head"}  # aligned so
HEAD = "data.align=dlib5_head"
GEOMETRY = ("data.augment.rotate=10.0", "data.augment.zoom=0.1")
STRONG = (
    HEAD,
    *GEOMETRY,
    "data.augment.grey=0.2",
    "center.weight=1.0",
    "batch_size=32",
    "optimizer.learning_rate=0.002",
)
RECIPE = (*STRONG, "center.weight=3.0")
TRIALS = {
    "base": flags("data.align=dlib"),
    "head": flags(HEAD),
    "head, everybody": flags(HEAD, min_photos=1),
    "head, lambda 10": flags(HEAD, "center.weight=10.0"),
    "head, learning rate 0.003": flags(HEAD, "optimizer.learning_rate=0.003"),
    "head, batch 32": flags(HEAD, "batch_size=32"),
    "head, turn and zoom, grey 0.2, lambda 1, long": flags(
        *(HEAD, *GEOMETRY, "data.augment.grey=0.2", "center.weight=1.0"),
        num_photos=LONG,
    ),
    "strong": flags(*STRONG, num_photos=MEDIUM),
    "strong, plain softmax, lambda 0": flags(
        *(*STRONG, "center.weight=0.0"), num_photos=MEDIUM, loss=WITHOUT
    ),
    "strong, lambda 0": flags(*STRONG, "center.weight=0.0", num_photos=MEDIUM),
    "strong, lambda 10": flags(*STRONG, "center.weight=10.0", num_photos=MEDIUM),
    "strong, 500 composites": flags(*STRONG, num_photos=MEDIUM, composites=500),
    "strong, learning rate 0.004": flags(
        *(*STRONG, "optimizer.learning_rate=0.004"), num_photos=MEDIUM
    ),
    "short": flags(*RECIPE, num_photos=SHORT),
    "short, not aligned": flags(*RECIPE, "data.align=none", num_photos=SHORT),
    "short, batch 16": flags(*RECIPE, "batch_size=16", num_photos=SHORT),
    "short, centers of features": flags(
        *(*RECIPE, "center.on=features", "center.weight=0.03"), num_photos=SHORT
    ),
    "short, labels smoothed by 0.1": flags(
        *(*RECIPE, "loss.label_smoothing=0.1"), num_photos=SHORT
    ),
    "short, blur of 1.5": flags(*RECIPE, "data.augment.blur=1.5", num_photos=SHORT),
    "short, alpha 0.1": flags(*RECIPE, "center.alpha=0.1", num_photos=SHORT),
    "short, average of weights": flags(
        *(*RECIPE, "optimizer.average_decay=0.99"), num_photos=SHORT
    ),
    "short, dropout 0.3": flags(*RECIPE, "model.dropout=0.3", num_photos=SHORT),
    "short, 512 numbers": flags(
        *(*RECIPE, "model.embedding_size=512"), num_photos=SHORT
    ),
}

# Does center loss help? Trained with several seeds, equal in everything else.
SIDES = {name: TRIALS[f"strong, {name}"] for name in ("lambda 0", "lambda 10")}
