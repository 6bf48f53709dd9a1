"""A saved embedder for the commands: random, but with limits that part photos."""

from export.embedders import embedder_of

from cl_facenet.evaluation.calibration import CalibratedOn, Calibration, Threshold
from cl_facenet.model_card import Architecture, ModelCard, TrainedOn

ALL, SAME_PHOTO = 0.1, 0.01  # rates: whose limit all photos pass; only the same one


def save_tiny(path, align="none"):
    """Wants `model.name=tiny` to be a network; photos of 32 pixels."""
    embedder = embedder_of("tiny", "openface", 32, align=align)
    embedder.card = ModelCard(
        Architecture("tiny", "openface", 16),
        TrainedOn("faces", 9, ("Ada", "Bob"), 5),
        calibration=Calibration(
            CalibratedOn("faces", "all pairs", 10, 1_000, 3),
            (Threshold(ALL, 5.0, 1.0), Threshold(SAME_PHOTO, 1e-9, 0.5)),
        ),
    )
    embedder.save(path)
    return path
