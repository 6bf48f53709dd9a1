"""One process at a time, and whoever is killed leaves the way free."""

import errno
import os
import signal
import subprocess
import sys
import threading

import pytest

from cl_facenet import lock as locks
from cl_facenet.errors import InputError
from cl_facenet.lock import lock

HOLDER = """
import sys
from pathlib import Path
from cl_facenet.lock import lock
with lock(Path(sys.argv[1]), doing="drawing faces"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".drawing.lock"


@pytest.fixture
def holder(path):
    """Another process that holds the lock until it is told otherwise."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_another_process_is_refused_and_told_whose_it_is(path, holder):
    says = f"another process is drawing faces .process {holder.pid} on .*: wait for it"
    with pytest.raises(InputError, match=says), lock(path, doing="drawing faces"):
        raise AssertionError
    holder.communicate("done\n")
    assert not path.exists()
    with lock(path, doing="drawing faces"):
        assert path.exists()
    assert not path.exists()


def test_who_is_killed_holds_nothing(path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert path.exists()
    with lock(path, doing="drawing faces"):
        assert str(os.getpid()) in path.read_text()


def test_another_is_waited_for(path, holder, capsys):
    threading.Timer(0.05, holder.communicate, ["done\n"]).start()
    with lock(path, doing="drawing faces", wait=True):
        assert holder.poll() == 0 or not path.read_text().count(str(holder.pid))
    says = f"waiting for another process that is drawing faces (process {holder.pid} on"
    assert says in capsys.readouterr().err


def test_another_thread_is_another(path):
    again = lock(path, doing="drawing")
    with lock(path, doing="drawing"), pytest.raises(InputError, match="is drawing"):
        again.__enter__()


def test_it_ends_with_an_error_too(path):
    with pytest.raises(ZeroDivisionError), lock(path, doing="dividing"):
        raise ZeroDivisionError
    assert not path.exists()


@pytest.mark.filterwarnings("ignore:.*fork")  # where another test has started JAX
def test_a_fork_does_not_hold_it(path):
    """As the workers of a process that is killed."""
    reading, writing = os.pipe()
    with lock(path, doing="drawing"):
        child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
    with lock(path, doing="drawing"):
        pass
    os.write(writing, b".")
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)


def test_one_that_its_holder_removes_meanwhile_is_not_taken(path, monkeypatch):
    """Else two would hold it: the removed file, and the next one of its name."""
    flock, opened = locks.fcntl.flock, []

    def late(file, how):
        if not opened:
            path.unlink()
        opened.append(file)
        flock(file, how)

    monkeypatch.setattr(locks.fcntl, "flock", late)
    with lock(path, doing="drawing"):
        assert len(opened) == 2
        assert path.exists()


@pytest.mark.parametrize("missing", ["system", "file system"])
def test_where_there_are_no_locks_it_says_so_and_goes_on(
    path, monkeypatch, capsys, missing
):
    def refuse(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    if missing == "system":
        monkeypatch.setattr(locks, "fcntl", None)
    else:
        monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with lock(path, doing="drawing"):
        pass
    assert f"{path.parent} cannot be locked" in capsys.readouterr().err
