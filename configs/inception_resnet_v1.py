"""Inception-ResNet-v1 as in David Sandberg's facenet, on photos of 160 pixels a side.

python -m cl_facenet.main --config=configs/inception_resnet_v1.py[:DATA]

His are the size, the batch, the dropout, the augmentation (a crop of 182 pixels to 160,
a flip) and the center loss, by his rule on the features before they are normalised,
with the weight of his runs on CASIA-WebFace and an alfa of 0.9. His Adam has an epsilon
of 0.1, for which the learning rates were made; here both are the default. His
classifier takes the features as they are, not unit vectors times a scale.
"""

from cl_facenet.config import base


def get_config(data="orl"):
    config = base(data)
    config.batch_size = 90
    config.model.name = "inception_resnet_v1"
    config.model.graph = "published"
    config.model.embedding_size = 512
    config.model.dropout = 0.2
    config.data.image_size = 160
    config.data.augment.update(shift=11, brightness=0.0, contrast=0.0, erase=0.0)
    config.center.update(rule="sandberg", on="features")
    weight = 2 * 0.01 / 512  # his 0.01 is of a mean over numbers, not of half a sum
    config.brings = (
        ("center.rule", "sandberg", "center.weight", weight),
        ("center.rule", "sandberg", "center.alpha", 0.1),
    )
    return config
