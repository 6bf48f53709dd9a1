"""What would make NN4.Small2's training step slow again, counted in its program."""

import math
import re

import optax
import pytest

from cl_facenet.center_rules import RULES
from cl_facenet.losses import LOSSES
from cl_facenet.models.facenet import create_model
from cl_facenet.optimizers import make_optimizer
from cl_facenet.state import abstract_batch, create_state, make_train_step

NUM_CLASSES, BATCH_SIZE, IMAGE_SIZE = 500, 8, 96


@pytest.fixture(scope="module")
def step():
    """The step, compiled."""
    model = create_model("nn4.small2", "openface", 128, 8.0, NUM_CLASSES)
    tx = make_optimizer(
        "adam",
        optax.constant_schedule(1e-3),
        momentum=0.9,
        epsilon=1e-8,
        weight_decay=0.05,
    )
    train_step = make_train_step(
        model,
        tx,
        loss=LOSSES["softmax"],
        margin=0.0,
        rule=RULES["paper"],
        center_weight=1.0,
        center_alpha=0.5,
        center_on="embedding",
        seed=0,
    )
    state = create_state(model, tx, RULES["paper"], IMAGE_SIZE, 0)
    batch = abstract_batch(BATCH_SIZE, IMAGE_SIZE)
    return train_step.lower(state, batch).compile()


@pytest.fixture(scope="module")
def program(step):
    return step.as_text()


def test_the_state_is_updated_in_place(step):
    """Donated: all but the batch comes out where it went in."""
    memory = step.memory_analysis()
    batch_bytes = BATCH_SIZE * (IMAGE_SIZE * IMAGE_SIZE * 3 + 4 + 1)
    assert memory.argument_size_in_bytes - memory.alias_size_in_bytes <= batch_bytes


def test_what_the_step_keeps_in_memory(step):
    """84.4 MiB measured: of each photo the maps, before and after their normalisation.

    Also the gradients, joined.
    """
    assert step.memory_analysis().temp_size_in_bytes < 88 * 2**20


def test_nothing_waits_for_the_host(program):
    for transfer in ("infeed", "outfeed", "send", "recv", "callback"):
        assert transfer not in program


def test_gradients_of_pools_are_looked_up(program):
    assert "select-and-scatter" not in program


def test_no_convolution_is_with_zeros_between(program):
    """XLA has plain loops for those on a CPU; it is in gradients of strided ones."""
    assert "lhs_dilate" not in program


def test_convolutions_are_eigens(program):
    """As many as 14 layers and their gradients have; none inside a library fusion.

    14 + 14 to kernels + those to inputs, of which a strided one has four (it is two
    strided branches in two blocks), and the first layer's has none.
    """
    entry = program[program.index("ENTRY") :]
    convolutions = len(re.findall(r" convolution\(", program))
    assert convolutions == len(re.findall(r" convolution\(", entry))
    assert convolutions == 14 + 14 + (14 - 1 - 4) + 4 * 4


def test_products_are_eigens(program):
    entry = program[program.index("ENTRY") :]
    assert len(re.findall(r" dot\(", program)) == len(re.findall(r" dot\(", entry))


def test_products_for_kernels_read_maps_as_they_lie(program):
    """Rows by rows: of 13 products of 1x1 kernels, the embedding and the classifier.

    A product over more axes than one has a factor transposed first.
    """
    by_rows = "lhs_contracting_dims={0}, rhs_contracting_dims={0}"
    assert len(re.findall(r" dot\(.*" + re.escape(by_rows), program)) == 13 + 2


def test_no_map_is_written_that_says_what_a_vector_does(program):
    """Of masks and means that are spread over a map a library wants every number."""
    entry = program[program.index("ENTRY") :].splitlines()
    sizes = {name: size for line in entry for name, size in [_result(line)] if size}
    largest_vector = max(NUM_CLASSES * 128, BATCH_SIZE * NUM_CLASSES)
    for line in entry:
        if " fusion(" in line:
            _, size = _result(line)
            factors = re.findall(r"%[\w.-]+", line.split(" fusion(")[1].split(")")[0])
            known = max((sizes.get(factor, 0) for factor in factors), default=0)
            assert size <= largest_vector or known > BATCH_SIZE * 1024, line


def test_the_program_is_small(program):
    """Each kernel is compiled: 936 measured, 1,936 before arrays were joined."""
    entry = program[program.index("ENTRY") :]
    assert len(re.findall(r" fusion\(", entry)) < 1000


def test_parameters_of_one_shape_are_updated_by_one_kernel(program):
    """Each of 161 had its own, when what it took of the joined updates was constant."""
    whole = "f32[3733968]"
    kernels = [
        re.sub(r"%[\w.-]+|metadata=\{.*?\}|[\w.]+(?=: )", "", kernel)
        for kernel in re.split(r"\n\n", program)
        if kernel.startswith("%fused") and whole in kernel.splitlines()[0]
    ]
    assert len(kernels) > 150
    assert len(set(kernels)) < 60


def _result(line: str) -> tuple[str, int]:
    """What a line of a program defines, and how many numbers it has; 0: no array."""
    match = re.match(r"\s*(?:ROOT )?(%[\w.-]+) = \w+\[([\d,]*)\]", line)
    if not match:
        return "", 0
    name, shape = match.groups()
    return name, math.prod(int(size) for size in shape.split(",") if size)
