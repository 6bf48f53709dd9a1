"""A training asks for huge pages, where that helps and nobody has said otherwise."""

import os
import subprocess
import sys

import pytest

from cl_facenet import huge_pages

HUGE = (
    "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:"
    "glibc.malloc.trim_threshold=8589934592"
)
PROGRAM = """
import os, sys
from pathlib import Path
from cl_facenet import huge_pages
print(os.getpid(), sys.argv[1:], os.environ.get("GLIBC_TUNABLES"))
huge_pages._KERNEL = Path(sys.argv[1])
huge_pages.restart_with_huge_pages()
print("at work")
"""


@pytest.fixture
def kernel(tmp_path):
    path = tmp_path / "enabled"
    path.write_text("always [madvise] never\n")
    return path


def lines(kernel, **environment):
    """What a program prints that asks for huge pages, and then works."""
    clean = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES"}
    result = subprocess.run(
        [sys.executable, "-u", "-c", PROGRAM, str(kernel), "a b"],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.splitlines()


@pytest.mark.skipif(
    huge_pages.platform.libc_ver()[0] != "glibc", reason="another C library"
)
def test_the_same_command_begins_again_once(kernel):
    before, after, end = lines(kernel)
    assert before.endswith("None")
    assert after == before.replace("None", HUGE)  # also the process's number
    assert end == "at work"


def test_a_setting_of_the_users_stays(kernel):
    before, end = lines(kernel, GLIBC_TUNABLES="glibc.malloc.check=0")
    assert before.endswith("glibc.malloc.check=0")
    assert end == "at work"


@pytest.mark.parametrize(
    "setting", ["[always] madvise never", "always madvise [never]"]
)
def test_where_asking_changes_nothing_nothing_is_asked(kernel, setting):
    kernel.write_text(setting)
    assert len(lines(kernel)) == 2


def test_a_kernel_without_them(tmp_path):
    assert len(lines(tmp_path / "missing")) == 2
