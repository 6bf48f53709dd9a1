"""What was tried on the way to a recipe for LFW, each a change to one recipe.

All see as many photos, so that they cost the same, but for those called strong (twice
as many) and long. They are trained on four fifths of the people of view 1's training
half and chosen by the others (view1_tune).
"""

import math

NUM_PHOTOS = 80_000  # that a trial sees
MEDIUM, LONG = 150_000, 300_000
# Photos of the four fifths, of people with at least so many.
PHOTOS = {1: 7_263, 2: 4_979}
# The recipe that all are changes to, in full: configs/lfw.py is the one chosen.
BASE = (
    "batch_size=64",
    "log_every_steps=50",
    "data.heldout_share=0.0",
    "model.logit_scale=20.0",
    "loss.name=cosface",
    "loss.margin=0.1",
    "center.weight=0.1",
)


def flags(
    *changes: str,
    min_photos: int = 2,
    num_photos: int = NUM_PHOTOS,
    composites: int = 0,
) -> tuple[str, ...]:
    """What cl_facenet.main is given for a trial.

    Args:
      composites: how many people are made of two, of four photos each.
    """
    epochs = math.ceil(num_photos / (PHOTOS[min_photos] + 4 * composites))
    return (
        "--config=configs/nn4.py:lfw",
        "--config.data.lfw.protocol=view1_tune",
        f"--config.data.min_photos={min_photos}",
        f"--config.data.composites.people={composites}",
        f"--config.num_epochs={epochs}",
        *(f"--config.{change}" for change in (*BASE, *changes)),
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
TRIALS = {
    "base": flags("data.align=dlib"),
    "head": flags(HEAD),
    "head, everybody": flags(HEAD, min_photos=1),
    "head, lambda 0": flags(HEAD, "center.weight=0.0"),
    "head, lambda 1": flags(HEAD, "center.weight=1.0"),
    "head, lambda 10": flags(HEAD, "center.weight=10.0"),
    "head, turn and zoom": flags(HEAD, *GEOMETRY),
    "head, grey 0.2": flags(HEAD, "data.augment.grey=0.2"),
    "head, 4 photos a person": flags(HEAD, "data.photos_per_person=4"),
    "head, margin 0.2": flags(HEAD, "loss.margin=0.2"),
    "head, learning rate 0.003": flags(HEAD, "optimizer.learning_rate=0.003"),
    "head, batch 32": flags(HEAD, "batch_size=32"),
    "head, scale 30": flags(HEAD, "model.logit_scale=30.0"),
    "head, average of weights": flags(HEAD, "optimizer.average_decay=0.995"),
    "head, dropout 0.3": flags(HEAD, "model.dropout=0.3"),
    "head, turn and zoom, grey 0.2, lambda 1, long": flags(
        *(HEAD, *GEOMETRY, "data.augment.grey=0.2", "center.weight=1.0"),
        num_photos=LONG,
    ),
    "head, turn and zoom, grey 0.2, lambda 1, 2000 composites, long": flags(
        *(HEAD, *GEOMETRY, "data.augment.grey=0.2", "center.weight=1.0"),
        num_photos=LONG,
        composites=2000,
    ),
    "strong": flags(*STRONG, num_photos=MEDIUM),
    "strong, lambda 0": flags(*STRONG, "center.weight=0.0", num_photos=MEDIUM),
    "strong, lambda 10": flags(*STRONG, "center.weight=10.0", num_photos=MEDIUM),
    "strong, 500 composites": flags(*STRONG, num_photos=MEDIUM, composites=500),
    "strong, learning rate 0.004": flags(
        *(*STRONG, "optimizer.learning_rate=0.004"), num_photos=MEDIUM
    ),
    "strong, everybody": flags(*STRONG, num_photos=MEDIUM, min_photos=1),
    "strong, margin 0.2, scale 30": flags(
        *(*STRONG, "loss.margin=0.2", "model.logit_scale=30.0"), num_photos=MEDIUM
    ),
}

# Does center loss help? Trained with several seeds, equal in everything else.
SIDES = {name: TRIALS[f"strong, {name}"] for name in ("lambda 0", "lambda 10")}
