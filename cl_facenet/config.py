"""Every configuration key once, with its meaning, and what values it may take."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

from cl_facenet.center_rules import RULES
from cl_facenet.config_history import flat
from cl_facenet.data.augment import Augment
from cl_facenet.data.lfw_splits import PROTOCOLS
from cl_facenet.data.preprocessing import ALIGN
from cl_facenet.errors import InputError, UsageError
from cl_facenet.losses import LOSSES
from cl_facenet.models.facenet import create_model
from cl_facenet.optimizers import OPTIMIZERS, SCHEDULES, STEP_FACTOR, STEPS
from cl_facenet.sharding import MODES
from cl_facenet.unread_keys import refuse_unread

BIG = 2**31 - 1


def base(data: str = "orl") -> ConfigDict:
    """NN4.Small2 with softmax and center loss; `data` is what follows --config=FILE:

    That is `orl` (the default), `lfw`, `synthetic`, or a folder with a sub-folder a
    person. Where a value belongs to a choice (a loss's margin, an optimizer's decay) it
    is None, the choice's own, which `resolve` fills in. What a choice does not read is
    not to be set: `unread_keys` says what reads what.
    """
    named = data in ("orl", "lfw", "synthetic")
    config = ConfigDict(
        {
            "seed": 0,  # of the parameters, the split, the order and the augmentation
            "batch_size": 32,  # photos
            # Parts that a batch goes through the network in, one after another, where
            # the memory does not hold it whole; statistics are of the parts then.
            "micro_batches": 1,
            "num_epochs": 32,  # times that every training photo is seen
            "log_every_steps": 10,
            "checkpoint_every_steps": 100,
            # Steps in a row with a loss or gradient that is not finite to leave out,
            # with a warning, before training stops.
            "max_bad_steps": 0,
            # Whose trunk and embedding to begin with: a run's directory, a saved
            # embedder or the name of a shipped one, a folder of OpenFace's CSV files,
            # or a .safetensors file; "": random ones.
            "init_from": "",
            "data": {
                "name": data if named else "folder",
                "path": "" if named else data,  # of the folder
                # How photos are made square: none, dlib, dlib5 or dlib5_head. None: of
                # prepared data, as they were; of other data, none.
                "align": placeholder(str),
                "image_size": 96,  # pixels a side
                "num_classes": placeholder(int),  # people trained on; None: as found
                "cache_dir": "",  # of prepared records; "": the user's cache folder
                "skip_unreadable": False,  # leave out photos that cannot be read
                "verification_share": 0.25,  # of people, never trained on; not of lfw
                "min_photos": 1,  # people with fewer are not trained on
                "max_photos": 0,  # of a person trained on, drawn by seed; 0: all
                "heldout_share": 0.2,  # of a trained person's photos, to classify
                "photos_per_person": 0,  # in a batch; 0: shuffled, however many
                # People made of two that are trained on, who are trained on as well:
                # how many, and of how many photos each.
                "composites": {"people": 0, "photos": 4},
                "num_threads": 2,  # that decode and augment
                "augment": {
                    "mirror": 0.5,  # probability
                    "rotate": 0.0,  # degrees, up to, each way
                    "zoom": 0.0,  # share of the size, up to, smaller or larger
                    "shift": 8,  # pixels, up to, each way
                    "blur": 0.0,  # pixels, a Gaussian's standard deviation up to
                    "grey": 0.0,  # probability of taking the colours away
                    "brightness": 0.15,  # share of the full range, up to, each way
                    "contrast": 0.3,  # share of the photo's own, up to, each way
                    "erase": 0.4,  # probability of covering a rectangle
                },
                # data.name == "lfw" only: view1, view1_tune, sets_1_to_5,
                # sets_6_to_10, a or all
                "lfw": {"protocol": "view1"},
                # data.name == "synthetic" only:
                "synthetic": {"num_people": 40, "photos_per_person": 10},
            },
            "model": {
                # nn4.small2, nn4.small1, nn4, nn2, inception_resnet_v1, vgg_face or
                # face_resnet
                "name": "nn4.small2",
                # Whose definition. Of nn4... and nn2: openface, openface_released (that
                # of OpenFace's weights) or dl4j; of the others: published.
                "graph": "openface",
                "embedding_size": 128,
                "dropout": 0.0,  # of the trunk's outputs, in training
                # Unit embeddings times this enter the classifier. None: the loss's own.
                "logit_scale": placeholder(float),
                "dtype": "float32",  # of the trunk's maps; or bfloat16
                "remat": False,  # compute blocks anew for the gradient; not for CPUs
            },
            "loss": {
                # softmax, softmax_of_features, mse, arcface, cosface, sphereface,
                # triplet_semi_hard, triplet_batch_hard or triplet_any_violator
                "name": "softmax",
                "margin": placeholder(float),  # None: the loss's own
                # Of a label, spread over all people; of losses with a classifier.
                "label_smoothing": 0.0,
                # Of the people, in every step's classifier: those of the batch, and
                # others drawn at random; 1: all.
                "class_share": 1.0,
            },
            "center": {
                # Whose: paper, caffe_face, sandberg, pytorch, dl4j or dl4j_zoo.
                "rule": "paper",
                # Lambda, of lambda times half the mean ||x - c||^2 under every rule. 0:
                # none. None: what the weight of the rule's source amounts to.
                "weight": placeholder(float),
                "alpha": placeholder(float),  # of the rule's update; None: its own
                "on": "embedding",  # x: `embedding` (unit) or `features` (before it)
            },
            "optimizer": {
                "name": "adam",  # adam, adam_dl4j, sgd or adagrad
                "learning_rate": 1e-3,
                # None: the optimizer's own.
                "momentum": placeholder(float),  # of sgd
                "epsilon": placeholder(float),  # of adam and adam_dl4j
                "weight_decay": placeholder(float),  # on kernels only
                # Of parameters and batch statistics averaged over the steps, which are
                # evaluated and embed then; 0: the last ones do.
                "average_decay": 0.0,
                "schedule": "cosine",  # cosine, constant or step
                # None: two, or a quarter of the training where that is less.
                "warmup_epochs": placeholder(float),
                # Of schedule `step`: when to multiply the rate by what. None: after 4/7
                # and 6/7 of the training, by 0.1.
                "decay_epochs": placeholder(tuple),
                "decay_factor": placeholder(float),
            },
            "parallel": {
                # jit: one program for the whole batch, which XLA splits over devices;
                # pmap: a program a device, which talk to each other.
                "mode": "jit",
                "model_axis": 1,  # devices that classes are split over; of jit
                # Statistics of the whole batch, not of each device's part; pmap only.
                "sync_batch_norm": True,
            },
            # What a choice brings instead of its own, for files: it is in nobody's way
            # where another is chosen. Of each: choice, its value, key, and the value.
            "brings": (),
            # Files of points, to be drawn beside the ROC.
            "report": {"published_roc": ()},
        }
    )
    return config.lock()  # so that a misspelt key in a config file is an error


def completed(config: ConfigDict) -> ConfigDict:
    """A copy of a config that is resolved and valid; of such a one, an equal one.

    Raises:
      UsageError: no run could use it.
    """
    config = resolved(config)
    validate(config)
    return config


def resolved(config: ConfigDict) -> ConfigDict:
    """A copy of a config in which nothing is left to a choice.

    Raises:
      UsageError: it is no config, or has not the keys that there are.
    """
    if not isinstance(config, ConfigDict):
        raise UsageError(
            f"a {type(config).__name__} is no config: begin with cl_facenet.config.base"
        )
    config = ConfigDict(config).copy_and_resolve_references()
    _check_keys(dict(flat(config)), dict(flat(base())))
    resolve(config)
    return config


def _check_keys(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Refuses other keys than those that there are, and None where it means nothing."""
    for key in sorted(values.keys() ^ defaults.keys()):
        near = get_close_matches(key, defaults, 1)
        hint = f"did you mean {near[0]}?" if near else "see cl_facenet/config.py"
        what = "no such config key" if key in values else "this config key is missing"
        raise UsageError(f"{key}: {what}; {hint}")
    for key, value in values.items():
        if value is None and defaults[key] is not None:
            raise UsageError(f"{key} is None: give a value, or leave it out")
    for entry in values["brings"]:
        if not (isinstance(entry, tuple) and len(entry) == 4):
            raise UsageError(
                f"brings has {entry!r}: give choice, value, key, its value"
            )
        for key in (entry[0], entry[2]):
            if key not in defaults:
                raise UsageError(f"brings has {key!r}: no such config key")


def resolve(config: ConfigDict) -> None:
    """Fills in what belongs to other keys, where it was left None.

    Raises:
      UsageError: the choice that decides is not known.
    """
    _choice(config, "center.rule", *RULES)
    _choice(config, "loss.name", *LOSSES)
    _choice(config, "optimizer.name", *OPTIMIZERS)
    _choice(config, "optimizer.schedule", *SCHEDULES)
    _between(config, "model.embedding_size", 1, BIG)
    _between(config, "num_epochs", 1, BIG)
    rule, loss = RULES[config.center.rule], LOSSES[config.loss.name]
    optimizer, epochs = OPTIMIZERS[config.optimizer.name], config.num_epochs
    own = {
        "center.weight": rule.to_lambda(rule.weight, config.model.embedding_size),
        "center.alpha": rule.alpha,
        "loss.margin": loss.margin,
        "model.logit_scale": loss.scale,
        "optimizer.momentum": optimizer.momentum,
        "optimizer.epsilon": optimizer.epsilon,
        "optimizer.weight_decay": optimizer.weight_decay,
        "optimizer.warmup_epochs": min(2.0, epochs / 4),
    }
    if config.optimizer.schedule == "step":
        own["optimizer.decay_epochs"] = tuple(share * epochs for share in STEPS)
        own["optimizer.decay_factor"] = STEP_FACTOR
    own |= {
        key: value
        for choice, chosen, key, value in config.brings
        if _get(config, choice) == chosen
    }
    config.brings = ()
    for key, value in own.items():
        if _get(config, key) is None and value is not None:
            config.update_from_flattened_dict({key: value})


def validate(config: ConfigDict) -> None:
    """Raises UsageError, naming the key, for a value that no run could use.

    The config is one that `resolve` has filled in.
    """
    _choice(config, "data.name", "orl", "lfw", "folder", "synthetic")
    _choice(config, "parallel.mode", *MODES)
    refuse_unread(dict(flat(config)), dict(flat(base())))
    for key in (
        "batch_size",
        "log_every_steps",
        "checkpoint_every_steps",
    ):
        _between(config, key, 1, BIG)
    _between(config, "seed", 0, BIG)
    _between(config, "micro_batches", 1, config.batch_size, "batch_size")
    _between(config, "max_bad_steps", 0, BIG)
    _validate_data(config)
    _between(config, "model.logit_scale", 1e-6, BIG)
    _between(config, "model.dropout", 0, 0.99)
    _validate_loss(config)
    _between(config, "parallel.model_axis", 1, BIG)
    _between(config, "center.weight", 0, BIG)
    _between(config, "center.alpha", 0, 1)
    _choice(config, "center.on", "embedding", "features")
    _between(config, "optimizer.learning_rate", 0, BIG)
    _between(config, "optimizer.momentum", 0, 1)
    _between(config, "optimizer.epsilon", 0, 1)
    _between(config, "optimizer.weight_decay", 0, BIG)
    _between(config, "optimizer.average_decay", 0, 0.999999)
    _between(config, "optimizer.warmup_epochs", 0, config.num_epochs, "num_epochs")
    _between(config, "optimizer.decay_factor", 0, 1)
    for epoch in config.optimizer.decay_epochs or ():
        if not 0 < epoch < config.num_epochs:
            raise UsageError(
                f"optimizer.decay_epochs is {config.optimizer.decay_epochs}: {epoch} "
                f"is not within the training (num_epochs is {config.num_epochs})"
            )
    try:
        Augment(**config.data.augment)
        model = create_model(**config.model, num_classes=None)
        model.trunk.check_size(config.data.image_size, config.data.image_size)
    except InputError as error:
        raise UsageError(str(error)) from error


def _validate_loss(config: ConfigDict) -> None:
    name, loss = config.loss.name, LOSSES[config.loss.name]
    _between(config, "loss.margin", 0, BIG)
    _between(config, "loss.label_smoothing", 0, 0.99)
    _between(config, "loss.class_share", 1e-9, 1)
    if loss.head is None and config.data.photos_per_person < 2:
        raise UsageError(
            f"loss.name is {name}: triplets need two photos of a person in a batch, "
            "set data.photos_per_person to 2 or more"
        )


def _validate_data(config: ConfigDict) -> None:
    if config.data.align is not None:
        _choice(config, "data.align", *ALIGN)
    _choice(config, "data.lfw.protocol", *PROTOCOLS)
    if config.data.name == "folder" and not config.data.path:
        raise UsageError("data.path is empty: name the folder of photos")
    if config.data.num_classes is not None:
        _between(config, "data.num_classes", 2, BIG)
    _between(config, "data.verification_share", 0, 0.99)
    _between(config, "data.heldout_share", 0, 0.99)
    _between(config, "data.min_photos", 1, BIG)
    _between(config, "data.max_photos", 0, BIG)
    _between(config, "data.photos_per_person", 0, BIG)
    each = config.data.photos_per_person
    if each and config.batch_size % each:
        raise UsageError(
            f"batch_size is {config.batch_size}: make it a multiple of "
            f"data.photos_per_person ({each})"
        )
    _between(config, "data.composites.people", 0, BIG)
    _between(config, "data.composites.photos", 1, BIG)
    _between(config, "data.num_threads", 1, BIG)
    _between(config, "data.synthetic.num_people", 1, BIG)
    _between(config, "data.synthetic.photos_per_person", 1, BIG)


def _choice(config: ConfigDict, key: str, *choices: str) -> None:
    value = _get(config, key)
    if value not in choices:
        raise UsageError(f"{key} is {value!r}: choose one of {', '.join(choices)}")


def _between(
    config: ConfigDict, key: str, low: float, high: float, highest: str = ""
) -> None:
    """Refuses what is not from `low` to `high`, which is the value of key `highest`.

    None stands where the choice does not read the key.
    """
    value = _get(config, key)
    if value is not None and not low <= value <= high:
        says = f"{highest}, which is {high:g}" if highest else f"{high:g}"
        says = f"goes from {low:g} to {says}" if high < BIG else f"is {low:g} or more"
        raise UsageError(f"{key} is {value}: it {says}")


def _get(config: ConfigDict, key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = value[part]
    return value
