"""The residual network and the recipe of the center loss's authors (caffe-face).

python -m cl_facenet.main --config=configs/face_resnet.py[:DATA]

Best on photos aligned at 112 pixels, whose middle 96 columns are caffe-face's crop
(--config.data.align=dlib5). Theirs are 256 photos a step, 28,000 steps on 10,572 people
with the rate divided by ten after 16,000 and 24,000: the schedule's own, at the same
shares of the training. Momentum and weight decay, sgd's own, are theirs, too. Their
classifier takes the features as they are, not unit vectors times a scale, for which
their rate of 0.1 is too high (four photos diverged in six steps; at 0.01 they are
learnt). Their centers move by a learning rate that falls with the other; here it stays.
"""

from cl_facenet.config import base


def get_config(data="orl"):
    config = base(data)
    config.model.name = "face_resnet"
    config.model.graph = "published"
    config.model.embedding_size = 512
    config.data.image_size = 112
    config.data.augment.update(shift=0, brightness=0.0, contrast=0.0, erase=0.0)
    if data != "orl":  # which has fewer photos than that
        config.batch_size = 256
    config.center.update(rule="caffe_face", on="features")
    config.optimizer.update(
        name="sgd",
        learning_rate=0.01,
        schedule="step",
        warmup_epochs=0.0,
    )
    return config
