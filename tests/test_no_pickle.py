"""Nothing that could run code is ever loaded: seen in the code, and while it runs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cl_facenet

PACKAGE = Path(cl_facenet.__file__).parent
ROOT = Path(__file__).parent.parent

# What loads pickles, or is one by another name.
MODULES = {
    *("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal"),
    *("shelve", "torch", "yaml", "pandas", "imp"),
}
LOADERS = {
    "yaml.load",
    "torch.load",
    "np.load",
    "numpy.load",
    "jnp.load",
    "pd.read_pickle",
}
BUILT_IN = {"eval", "exec", "compile", "__import__"}


def what_loads(source):
    """Names of all in a module that could load a pickle or run what it has read."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").split(".")[0] in MODULES:
                yield node.module
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in LOADERS | BUILT_IN:
                yield called
            yield from (k.arg for k in node.keywords if k.arg == "allow_pickle")


def test_the_package_has_nothing_that_loads_a_pickle():
    files = sorted(PACKAGE.rglob("*.py"))
    assert files
    found = {path: list(what_loads(path.read_text())) for path in files}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import dill.source as d",
        "def f():\n    import torch",
        "np.load(path)",
        "x = np.lib.format.read_array(f, allow_pickle=True)",
        "yaml.load(text)",
        "eval(text)",
    ],
)
def test_it_would_be_found(source):
    assert list(what_loads(source))


def test_no_pickle_is_opened_while_hostile_weights_and_archives_are_read():
    """Python reports each global that an unpickler looks for, from C code too."""
    code = (
        "import pickle, sys\n"
        "from experiments.reliability.hostile.cases import Case, KINDS, outcome\n"
        "cases = [Case(of, kind, seed) for of, kind in [\n"
        "    *(('weights', kind) for kind in KINDS['weights']),\n"
        "    ('archives', 'no archive'), ('photos', 'no image'),\n"
        "] for seed in range(4)]\n"
        "outcome(cases[0])\n"  # what is imported meanwhile may do as it likes
        "seen = []\n"
        "sys.addaudithook(lambda event, _: event == 'pickle.find_class' and "
        "seen.append(event))\n"
        "print([case for case in cases if outcome(case) not in case.may_be], seen)\n"
        "pickle.loads(pickle.dumps(Case))\n"
        "print(seen)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert run.stdout.splitlines() == ["[] []", "['pickle.find_class']"], run.stderr
