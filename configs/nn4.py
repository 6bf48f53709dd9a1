"""NN4.Small2 with softmax and center loss: the recipe to start from.

python -m cl_facenet.main --config=configs/nn4.py               the ORL photographs
python -m cl_facenet.main --config=configs/nn4.py:lfw           LFW, view 1
python -m cl_facenet.main --config=configs/nn4.py:synthetic     made-up faces
python -m cl_facenet.main --config=configs/nn4.py:DIR           a folder a person
"""

from cl_facenet.config import base


def get_config(data="orl"):
    config = base(data)
    config.center.weight = 1.0
    if data == "lfw":
        config.num_epochs = 15
        config.data.min_photos = 2  # one photo has nothing to be pulled towards
        config.data.heldout_share = 0.1  # of people with ten photos or more
        # A thousand people want more than thirty do.
        config.brings = (("loss.name", "softmax", "model.logit_scale", 20.0),)
        config.center.weight = 5.0  # against gradients that a large scale makes larger
        config.checkpoint_every_steps = 200
    return config
