"""Steps that were traced are kept on disk: the next process need not trace them.

Tracing is Python's work, three of the seven seconds that NN4.Small2 takes to its first
step where nothing has to be compiled. What was traced is kept beside the compiled
programs, under a name that says all it depends on: the arguments' shapes, what the
caller says decides it, the source of this package, versions, JAX's settings.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
from jax import export

from cl_facenet.compiling import kept_programs
from cl_facenet.whole_files import write_whole

# A step as of `jax.lax.scan`: (carry, x) -> (carry, y).
Step = Callable[[Any, Any], tuple[Any, Any]]

_TRACED_BY = ("jax", "jaxlib", "flax", "optax", "numpy")


def kept(step: Step, carry: Any, x: Any, *, decided_by: Any) -> Step:
    """The step as it was traced here or by an earlier process, to be jitted.

    What has been replaced in the running program (a function of this package, or one of
    somebody's own in its place) is not seen: only for processes that run the package as
    it is.

    Args:
      step: of one device; x and y are trees of dicts, lists and tuples.
      carry, x: the shapes and types of its arguments.
      decided_by: what else decides what is traced, as its `repr` says it.
    """
    directory = kept_programs()
    if directory is None or jax.default_backend() != "cpu":  # elsewhere never tried
        return step
    structure = jax.tree.structure(carry)
    leaves = jax.tree.leaves(carry)
    path = directory / f"step-{_name(decided_by, structure, leaves, x)}.traced"
    traced = _read(path)
    if traced is None:
        traced = _trace(step, structure, leaves, x)
        with suppress(OSError):  # a full disk costs the next process its time, no more
            _write(path, traced)

    def as_traced(carry: Any, x: Any) -> tuple[Any, Any]:
        leaves, y = traced.call(jax.tree.leaves(carry), x)
        return jax.tree.unflatten(structure, leaves), y

    return as_traced


def _trace(step: Step, structure: Any, leaves: Any, x: Any) -> export.Exported:
    def flat(leaves: Any, x: Any) -> tuple[Any, Any]:
        carry, y = step(jax.tree.unflatten(structure, leaves), x)
        return jax.tree.leaves(carry), y

    return export.export(jax.jit(flat))(leaves, x)


def _name(*decided_by: Any) -> str:
    digest = hashlib.sha256(repr(decided_by).encode())
    settings = {name: str(value) for name, value in jax.config.values.items()}
    digest.update(repr(sorted(settings.items())).encode())
    digest.update(repr([(name, version(name)) for name in _TRACED_BY]).encode())
    package = Path(__file__).parent
    for source in sorted(package.rglob("*.py")):
        digest.update(str(source.relative_to(package)).encode() + b"\0")
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


def _read(path: Path) -> export.Exported | None:
    """None, if there is none or not what was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    checksum, traced = content[:32], content[32:]
    if hashlib.sha256(traced).digest() != checksum:
        return None
    return export.deserialize(bytearray(traced))


def _write(path: Path, traced: export.Exported) -> None:
    content = bytes(traced.serialize())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, hashlib.sha256(content).digest() + content)
