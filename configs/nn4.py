"""NN4.Small2 with softmax and center loss: the recipe to start from.

python -m cl_facenet.main --config=configs/nn4.py               the ORL photographs
python -m cl_facenet.main --config=configs/nn4.py:synthetic     made-up faces
python -m cl_facenet.main --config=configs/nn4.py:DIR           a folder a person
"""

from cl_facenet.config import base


def get_config(data="orl"):
    return base(data)
