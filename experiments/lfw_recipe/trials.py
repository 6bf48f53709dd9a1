"""What was tried on the way to a recipe for LFW, each a change to one recipe.

All see as many photos, so that they cost the same. They are trained on four fifths of
the people of view 1's training half and chosen by the others (view1_tune).
"""

import math

NUM_PHOTOS = 80_000  # that a trial sees
# Photos of the four fifths, of people with at least so many.
PHOTOS = {1: 7_263, 2: 4_979}


def flags(*changes: str, min_photos: int = 2) -> tuple[str, ...]:
    """What cl_facenet.main is given for a trial."""
    epochs = math.ceil(NUM_PHOTOS / PHOTOS[min_photos])
    return (
        "--config=configs/lfw.py",
        "--config.data.lfw.protocol=view1_tune",
        f"--config.data.min_photos={min_photos}",
        f"--config.num_epochs={epochs}",
        *(f"--config.{change}" for change in changes),
    )


GEOMETRY = ("data.augment.rotate=10.0", "data.augment.zoom=0.1")
TRIALS = {
    "base": flags(),
    "lambda 0": flags("center.weight=0.0"),
    "lambda 1": flags("center.weight=1.0"),
    "lambda 10": flags("center.weight=10.0"),
    "everybody, also of one photo": flags(min_photos=1),
    "turn and zoom": flags(*GEOMETRY),
    "grey 0.2": flags("data.augment.grey=0.2"),
    "4 photos a person": flags("data.photos_per_person=4"),
    "margin 0.2": flags("loss.margin=0.2"),
    "scale 30": flags("model.logit_scale=30.0"),
    "average of weights": flags("optimizer.average_decay=0.995"),
    "dropout 0.3": flags("model.dropout=0.3"),
}
