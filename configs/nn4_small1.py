"""NN4.Small1: the Small2 network with one block more (4b) and wider last ones.

python -m cl_facenet.main --config=configs/nn4_small1.py[:DATA]

Trained as in configs/nn4.py: OpenFace's own recipe is for its triplet loss.
"""

from cl_facenet.config import base


def get_config(data="orl"):
    config = base(data)
    config.center.weight = 1.0
    config.model.name = "nn4.small1"
    return config
