"""VGG-Face's convolutions and 128 numbers a face, as OpenFace has it, at 224 pixels.

python -m cl_facenet.main --config=configs/vgg_face.py[:DATA]

118 million parameters, of which 103 million are those of one layer: with Adam, some
1.9 GB of parameters, gradients and moments, before any photo.
"""

from cl_facenet.config import base


def get_config(data="orl"):
    config = base(data)
    config.center.weight = 1.0
    config.model.name = "vgg_face"
    config.model.graph = "published"
    config.model.dropout = 0.5
    config.data.image_size = 224
    config.data.augment.shift = 19  # the same share of a photo as 8 of 96
    config.optimizer.learning_rate = 1e-4  # nothing normalises what is inside
    return config
