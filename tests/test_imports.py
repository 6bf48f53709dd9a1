"""The walls of the house: who imports whom, and what importing the package costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cl_facenet

PACKAGE = Path(cl_facenet.__file__).parent

# Each module may import those of the layers below its own, and neighbours in its own
# folder. Top first.
LAYERS = (
    ("main", "cli"),
    ("commands",),
    ("train", "prepare", "align_photos", "benchmark", "embed_photos"),
    ("evaluate", "summary", "group_errors"),
    ("build", "dataset", "run_config"),
    ("config", "export", "loading", "gallery"),
    ("embedder", "progress", "warm_start"),
    ("checkpoint", "shipped"),
    ("kept_traces", "state", "metrics", "workdir", "memory", "model_folder"),
    ("sharding", "model_card", "verdict", "checkpoint_sums", "unread_keys"),
    ("center_rules", "optimizers", "losses", "evaluation", "data", "interop"),
    ("centers", "models", "collapse"),
    ("params", "compiling", "prng", "processes", "whole_files"),
    ("arguments", "user_cache"),
    ("paths", "devices", "plain_paths", "lock", "config_history", "forks"),
    ("errors", "logs", "huge_pages", "preemption", "page"),
)


def layer_of(module):
    first = module.split(".")[1] if "." in module else "params"  # the package itself
    return next(i for i, layer in enumerate(LAYERS) if first in layer)


def imports():
    """(importing, imported) for every import between modules of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        if module == "cl_facenet":
            continue  # its one lazy import is a promise of the contract
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module.startswith(
                "cl_facenet"
            ):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                here = node.module == "cl_facenet"
                yield from ((module, name if here else node.module) for name in names)
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
                yield from ((module, n) for n in names if n.startswith("cl_facenet"))


def test_every_module_has_a_layer():
    for path in PACKAGE.iterdir():
        if path.suffix == ".py" and path.stem != "__init__":
            layer_of(f"cl_facenet.{path.stem}")


@pytest.mark.parametrize(("importing", "imported"), sorted(set(imports())))
def test_imports_point_one_way(importing, imported):
    top, below = layer_of(importing), layer_of(imported)
    neighbours = importing.split(".")[1] == imported.split(".")[1]
    assert top < below or neighbours


def test_there_are_no_circles():
    edges = {}
    for importing, imported in imports():
        edges.setdefault(importing, set()).add(imported)

    def visit(module, path):
        assert module not in path, " -> ".join([*path, module])
        for below in edges.get(module, ()):
            visit(below, [*path, module])

    for module in list(edges):
        visit(module, [])


def run(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, cl_facenet; print(*sys.modules)"
    loaded = set(run(code).split())
    heavy = {"jax", "flax", "grain", "tensorflow_datasets", "orbax", "matplotlib"}
    assert not loaded & heavy


def test_embedding_loads_neither_data_stack_nor_plots():
    code = "import sys, cl_facenet.loading; print(*sys.modules)"
    loaded = set(run(code).split())
    assert not loaded & {
        "grain",
        "array_record",
        "tensorflow_datasets",
        "orbax",
        "matplotlib",
        "sklearn",
    }


def test_nothing_imports_tensorflow():
    everything = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if path.stem != "__init__"
    ]
    code = f"import sys, {', '.join(everything)}; print(*sys.modules)"
    assert "tensorflow" not in run(code).split()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):  # also inside functions
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [
                    getattr(node, "module", "") or "",
                    *(a.name for a in node.names),
                ]
                roots = {name.split(".")[0] for name in names if name}
                assert "tensorflow" not in roots, path
