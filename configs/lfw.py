"""NN4.Small2 on LFW alone: the recipe of the shipped embedder nn4_small2_lfw.

Trained on the people of view 1's training half who have two photos or more, scored on
its 1,000 test pairs: python -m cl_facenet.main --config=configs/lfw.py
"""

from cl_facenet.config import base


def get_config(data: str = "lfw"):
    config = base(data)
    config.batch_size = 32
    config.num_epochs = 36
    config.log_every_steps = 50
    config.data.align = "dlib5_head"
    config.data.min_photos = 2
    config.data.heldout_share = 0.0
    config.data.augment.rotate = 10.0
    config.data.augment.zoom = 0.1
    config.data.augment.grey = 0.2
    config.loss.name = "cosface"
    config.brings = (
        ("loss.name", "cosface", "model.logit_scale", 20.0),
        ("loss.name", "cosface", "loss.margin", 0.1),
    )
    config.center.weight = 3.0
    config.optimizer.learning_rate = 0.002
    return config
