"""The files in configs/: each is valid, and is of the network that it says."""

import importlib.util
import io
from pathlib import Path

import pytest
from rich.console import Console

from cl_facenet.build import build_model
from cl_facenet.config import completed, resolve, validate
from cl_facenet.losses import LOSSES
from cl_facenet.optimizers import OPTIMIZERS
from cl_facenet.summary import summarize

FOLDER = Path(__file__).parent.parent / "configs"
FILES = sorted(path.stem for path in FOLDER.glob("*.py"))

# Trunk and embedding; statistics of the batch normalisation; numbers an embedding.
TOTALS = {
    "nn4": (3_733_968, 9_312, 128),
    "lfw": (3_733_968, 9_312, 128),
    "nn4_small1": (5_579_520, 11_904, 128),
    "nn4_full": (6_959_088, 15_136, 128),
    "nn2": (7_472_144, 15_840, 128),
    "inception_resnet_v1": (23_482_624, 29_600, 512),
    "vgg_face": (118_003_648, 0, 128),
    "face_resnet": (27_543_072, 0, 512),
    "tutorial": (3_570_128, 9_312, 128),
}


def load(name):
    """The module configs/NAME.py."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def last_rows(table, number):
    """The numbers in the last column of a table, from the end."""
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(table)
    rows = [row.split("│") for row in console.export_text().splitlines()]
    cells = [row[-2] for row in rows if len(row) == 5]
    return [int(cell.replace(",", "")) for cell in cells[-number:]]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("arguments", [(), ("lfw",), ("synthetic",), ("some/folder",)])
def test_every_file_is_valid_whatever_the_data(name, arguments):
    config = load(name).get_config(*arguments)
    resolve(config)
    validate(config)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("data", ["orl", "lfw"])
def test_every_file_goes_with_every_loss_and_optimizer(name, data):
    """What it has for its own is not in the way of others', nor taken for theirs."""
    for loss, optimizer in zip(LOSSES, [*OPTIMIZERS] * 3, strict=False):
        config = load(name).get_config(data)
        config.data.photos_per_person = 2 if config.batch_size % 2 == 0 else 3
        was = (config.loss.name, config.optimizer.name)
        config.loss.name, config.optimizer.name = loss, optimizer
        config = completed(config)
        own = LOSSES[loss].scale, OPTIMIZERS[optimizer].epsilon
        if was[0] != loss:
            assert config.model.logit_scale == own[0]
        if was[1] != optimizer:
            assert config.optimizer.epsilon == own[1]


@pytest.mark.parametrize("name", FILES)
def test_every_file_says_how_it_is_run(name):
    assert f"--config=configs/{name}.py" in load(name).__doc__


@pytest.mark.parametrize("name", FILES)
def test_the_summary_has_the_network_s_totals(name):
    config = load(name).get_config()
    classes = config.data.num_classes = 10
    body, statistics, dims = TOTALS[name]
    biases = classes if LOSSES[config.loss.name].head in ("dense", "linear") else 0
    head, centers = dims * classes + biases, dims * classes
    table = summarize(build_model(config, classes), config.data.image_size)
    total = body + head + centers + statistics
    assert last_rows(table, 5) == [body, head, centers, statistics, total]


def test_the_tutorial_has_as_many_parameters_as_its_page_says():
    """ "Over 5 million", as its summary() counts: classifier, centers, statistics."""
    config = load("tutorial").get_config()
    table = summarize(build_model(config, config.data.num_classes), 96)
    assert last_rows(table, 1) == [5_056_933]


def test_the_tutorial_trains_on_one_photo_of_each_person_of_lfw():
    config = load("tutorial").get_config()
    assert (config.data.lfw.protocol, config.data.num_classes) == ("all", 5749)
    assert (config.data.max_photos, config.data.heldout_share) == (1, 0.0)
    assert not any(config.data.augment.values())
