"""The Deeplearning4j tutorial "Train FaceNet Using Center Loss", as written.

python -m cl_facenet.prepare lfw --source=path/to/lfw --align=none
python -m cl_facenet.main --config=configs/tutorial.py[:DATA]

To see what it does, not to be used: configs/nn4.py is what to run instead, and
experiments/tutorial compares the two. Its 5,749 people of LFW have one photo each, by a
filter that cuts everybody down to the smallest; the photo is whole and its values are 0
to 255. Nobody is left to evaluate on.
"""

from cl_facenet.config import base


def get_config(data="lfw"):
    config = base(data)
    config.batch_size = 48
    config.num_epochs = 30
    config.data.align = "none"
    config.data.max_photos = 1
    config.data.heldout_share = 0.0
    config.data.augment.update(
        mirror=0.0, shift=0, brightness=0.0, contrast=0.0, erase=0.0
    )
    if data == "lfw":
        config.data.lfw.protocol = "all"
        config.data.num_classes = 5749
    config.model.graph = "dl4j"
    config.loss.name = "mse"  # of the softmax, what they call SQUARED_LOSS
    config.center.rule = "dl4j_zoo"
    config.optimizer.update(
        name="adam_dl4j",
        learning_rate=0.1,
        schedule="constant",
        warmup_epochs=0.0,
    )
    config.brings = (
        ("loss.name", "mse", "model.logit_scale", 1.0),
        ("optimizer.name", "adam_dl4j", "optimizer.epsilon", 0.01),
    )
    return config
