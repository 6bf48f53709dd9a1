"""NN4 with all of its blocks.

python -m cl_facenet.main --config=configs/nn4_full.py[:DATA]

Trained as in configs/nn4.py: OpenFace's own recipe is for its triplet loss.
"""

from cl_facenet.config import base


def get_config(data="orl"):
    config = base(data)
    config.center.weight = 1.0
    config.model.name = "nn4"
    return config
