"""NN2, FaceNet's large Inception network, on photos of 224 pixels a side.

python -m cl_facenet.main --config=configs/nn2.py[:DATA]

Other multiples of 32 from 96 on work too (--config.data.image_size=160).
"""

from cl_facenet.config import base


def get_config(data="orl"):
    config = base(data)
    config.center.weight = 1.0
    config.model.name = "nn2"
    config.data.image_size = 224
    config.data.augment.shift = 19  # the same share of a photo as 8 of 96
    return config
