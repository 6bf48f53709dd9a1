"""An embedder in other processes: spawned ones get it, forked ones are told why not."""

import copy
import json
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import jax
import numpy as np
import pytest
from commands.models import save_tiny
from PIL import Image

import cl_facenet
from cl_facenet.data.orl import read_orl
from cl_facenet.models.facenet import NETWORKS

REFUSED = (
    "InputError: this process was forked from one that runs JAX, which cannot go on in "
    "it: start workers with multiprocessing.get_context('spawn')"
)

# What the programs below begin with. They act in forked children, each ended if it
# should hang, and print a line of JSON each: what was done, and what came of it.
HEAD = """
import json, os, signal, sys, warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
import numpy as np
import cl_facenet
warnings.simplefilter("ignore")  # JAX and Python have a word to say at every fork

images = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)
folder = Path(sys.argv[1])

def load():
    return cl_facenet.load("nn4_small2_lfw")

def embed(embedder):
    return embedder(images, prepared_as=embedder.preprocessing.describe()).tobytes()

def report(name, outcome):
    print(json.dumps([name, outcome]), flush=True)

def in_child(name, act):
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        if status:
            report(name, f"ended by {status}")
        return
    signal.alarm(30)
    try:
        act()
    except Exception as error:
        report(name, f"{type(error).__name__}: {error}")
    else:
        report(name, "done")
    os._exit(0)

def pool_of_forks():
    return ProcessPoolExecutor(1, get_context("fork"))
"""

AFTER_LOAD = """
from cl_facenet.config import base
from cl_facenet.evaluate import evaluate
from cl_facenet.export.stablehlo import to_stablehlo
from cl_facenet.train import train

embedder = load()
before = embed(embedder)
config = base("orl")
for name, act in {
    "call": lambda: embed(embedder),
    "verify": lambda: embedder.verify(images[0], images[1]),
    "apply": lambda: embedder.apply(embedder.params, images),
    "save": lambda: embedder.save(folder / "saved"),
    "export": lambda: to_stablehlo(embedder),
    "load": load,
    "train": lambda: train(config, folder / "run"),
    "evaluate": lambda: evaluate(config, folder / "run"),
}.items():
    in_child(name, act)
in_child("a child", lambda: in_child("a child of a child", load))
with pool_of_forks() as pool:
    error = pool.submit(embed, embedder).exception(30)
report("in a pool", f"{type(error).__name__}: {error}")
report("left behind", os.listdir(folder))
report("here it goes on", embed(embedder) == before)
"""

AFTER_JAX_OF_THEIR_OWN = """
import jax.numpy as jnp
jnp.ones(3) + 1
in_child("load", load)
"""

BEFORE_JAX = """
import cl_facenet.loading  # this imports JAX, and starts none of its threads
in_child("load and call", lambda: embed(load()))
with pool_of_forks() as pool:
    pool.submit(os.getpid).result()  # now it is forked
    embedder = load()
    there = pool.submit(embed, embedder).result(60)
report("as here", there == embed(embedder))
"""


def outcomes(program, folder):
    command = [sys.executable, "-c", HEAD + program, str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return dict(map(json.loads, run.stdout.splitlines()))


def test_after_load_a_forked_process_is_told_what_to_do(tmp_path):
    found = outcomes(AFTER_LOAD, tmp_path)
    assert found.pop("a child") == "done"
    assert found.pop("left behind") == []
    assert found.pop("here it goes on")
    assert found == dict.fromkeys(
        [
            *("call", "verify", "apply", "save", "export", "load", "train", "evaluate"),
            *("a child of a child", "in a pool"),
        ],
        REFUSED,
    )


def test_so_it_is_if_it_was_not_us_who_started_jax(tmp_path):
    assert outcomes(AFTER_JAX_OF_THEIR_OWN, tmp_path) == {"load": REFUSED}


def test_a_process_that_was_forked_before_jax_was_started_embeds(tmp_path):
    found = outcomes(BEFORE_JAX, tmp_path)
    assert found == {"load and call": "done", "as here": True}


@pytest.fixture
def photos():
    pytest.importorskip("dlib")
    return [Image.fromarray(own[0]) for own in read_orl()[:3]]


@pytest.mark.filterwarnings("ignore::cl_facenet.FaceWarning")  # they are cut close
def test_a_spawned_process_gets_the_same_vectors(photos):
    embedder = cl_facenet.load("nn4_small2_lfw")
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        there = pool.submit(embedder, photos).result()
        judged = pool.submit(embedder.verify, *photos[:2]).result()
    np.testing.assert_array_equal(there, embedder(photos))
    assert judged == embedder.verify(*photos[:2])


@pytest.mark.parametrize(
    "copied", [lambda one: pickle.loads(pickle.dumps(one)), copy.copy, copy.deepcopy]
)
def test_a_copy_is_the_same_in_everything(copied, tiny, tmp_path):
    embedder = cl_facenet.load(save_tiny(tmp_path / "saved"))
    again = copied(embedder)
    assert (again.card, again.preprocessing) == (embedder.card, embedder.preprocessing)
    kinds = {type(leaf) for leaf in jax.tree.leaves(again.params)}
    assert kinds == {np.ndarray}  # whoever has only unpickled it runs no JAX
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    np.testing.assert_array_equal(again(images), embedder(images))
    copied(again).save(tmp_path / "again")
    np.testing.assert_array_equal(
        cl_facenet.load(tmp_path / "again")(images), embedder(images)
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_can_be_pickled(name):
    for graph, network in NETWORKS[name].items():
        again = pickle.loads(pickle.dumps(network))
        assert repr(again) == repr(network), graph
