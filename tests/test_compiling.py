"""What a fresh process compiles is kept for the next one."""

import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

from cl_facenet import compiling

PROGRAM = """
import jax.numpy as jnp
from cl_facenet.compiling import jit, keep_programs, release_memory
jnp.ones(3) + 1  # JAX has looked for a cache before
keep_programs()
assert jit(lambda x: x * x)(3.0) == 9
release_memory()
"""
CACHE = "JAX_COMPILATION_CACHE_DIR"


def run(tmp_path, monkeypatch, **environment):
    monkeypatch.delenv(CACHE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)


def test_programs_are_kept_in_the_users_cache(tmp_path, monkeypatch):
    run(tmp_path, monkeypatch)
    kept = tmp_path / "user" / "cl_facenet" / "compiled"
    before = {path.name for path in kept.iterdir() if path.name.endswith("-cache")}
    assert any("lambda" in name for name in before)
    run(tmp_path, monkeypatch)
    after = {path.name for path in kept.iterdir() if path.name.endswith("-cache")}
    assert after == before


@pytest.mark.parametrize(
    "setting", [{CACHE: "elsewhere"}, {"JAX_ENABLE_COMPILATION_CACHE": "false"}]
)
def test_jax_settings_come_first(tmp_path, monkeypatch, setting):
    if CACHE in setting:
        setting = {CACHE: str(tmp_path / "elsewhere")}
    run(tmp_path, monkeypatch, **setting)
    assert not (tmp_path / "user" / "cl_facenet" / "compiled").exists()
    assert (tmp_path / "elsewhere").exists() == (CACHE in setting)


@pytest.mark.parametrize(
    ("option", "is_known"),
    [("xla_cpu_enable_fast_math", True), ("xla_cpu_no_such_option", False)],
)
def test_an_option_that_this_xla_does_not_know_is_left_out(
    option, is_known, monkeypatch
):
    """Passed on, it would be the end of every program."""
    monkeypatch.setattr(compiling, "_CPU_OPTIONS", {option: False})
    compiling._known_options.cache_clear()
    try:
        assert compiling.jit(lambda x: x * x)(3.0) == 9
        assert (compiling._known_options() is not None) == is_known
    finally:
        compiling._known_options.cache_clear()


def test_several_threads_set_where_programs_are_kept_once(tmp_path, monkeypatch):
    resets = []

    class Config:
        jax_compilation_cache_dir = None

        def update(self, name, value):
            time.sleep(0.01)  # others come meanwhile
            setattr(self, name, value)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiling, "jax", SimpleNamespace(config=Config()))
    monkeypatch.setattr(
        compiling.compilation_cache, "reset_cache", lambda: resets.append(1)
    )
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: compiling.keep_programs(), range(8)))
    assert resets == [1]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="they get a newer JAX")
def test_the_oldest_jax_that_is_allowed_is_one_that_runs_these_tests():
    """Python 3.11 gets it, and no newer one."""
    project = Path(__file__).parents[1] / "pyproject.toml"
    needs = tomllib.loads(project.read_text())["project"]["dependencies"]
    assert f"jax>={version('jax')}" in needs
