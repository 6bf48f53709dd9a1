"""Products that decide who is near whom are in full float32, on every device.

By default a TPU rounds their factors to bfloat16, and a GPU to TF32; a CPU, on which
tests run, would not show it. So it is read from the program.
"""

import re

import jax
import pytest
from tiny import tiny_config

from cl_facenet.build import build_model, build_optimizer, build_train_step
from cl_facenet.center_rules import RULES
from cl_facenet.embedder import make_embed
from cl_facenet.losses import LOSSES
from cl_facenet.models.facenet import abstract_variables
from cl_facenet.params import drop_head
from cl_facenet.state import abstract_batch, make_create_state

SIZE, ROWS, CLASSES = 32, 6, 9
# Layers like any others: what they round does not become larger.
MAY_BE_ROUNDED = {"dense": r"/trunk/|/logits/", "linear": r"/trunk/|/logits/"}


def products(program):
    """(where it is from, whether it is in full precision) of each of a program."""
    text = program.as_text(debug_info=True)
    places = dict(re.findall(r'^(#loc\d+) = loc\("([^"]*)"', text, re.MULTILINE))
    for line in text.splitlines():
        if "stablehlo.dot_general" in line:
            place = re.search(r"loc\((#loc\d+)\)$", line)[1]
            yield places[place], "precision = [HIGHEST, HIGHEST]" in line


def lowered(**changes):
    config = tiny_config("unused", **changes)
    model = build_model(config, CLASSES)
    tx, _ = build_optimizer(config, num_photos=10, num_steps=5)
    create = make_create_state(model, tx, RULES[config.center.rule], SIZE, 0)
    step = build_train_step(config, model, tx)
    return step.lower(jax.eval_shape(create), abstract_batch(ROWS, SIZE))


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_s_products_are_in_full_precision(tiny, name):
    loss, changes = LOSSES[name], {"loss.name": name, "micro_batches": 2}
    if loss.head is None:
        changes["data.photos_per_person"] = 2
    rounded = MAY_BE_ROUNDED.get(loss.head, "/trunk/")
    seen = list(products(lowered(**changes)))
    asked = [(place, full) for place, full in seen if not re.search(rounded, place)]
    # Of the embedding three, of the statistics of parts, of two metrics.
    assert len(asked) >= 6
    assert [place for place, full in asked if not full] == []


def test_an_embedding_s_products_are_in_full_precision(tiny):
    model = build_model(tiny_config("unused"), CLASSES)
    variables = abstract_variables(model, SIZE)
    body = variables | {"params": drop_head(variables["params"])}
    images = jax.ShapeDtypeStruct((ROWS, SIZE, SIZE, 3), "uint8")
    seen = list(products(jax.jit(make_embed(model)).lower(body, images)))
    assert [full for _, full in seen] == [True]
