"""Errors are one line, whatever the names in them are."""

import subprocess
import sys
from pathlib import Path

import pytest

from cl_facenet.errors import (
    InputError,
    UsageError,
    exit_status_of,
    printable,
    reason_of,
)


@pytest.mark.parametrize("kind", [InputError, UsageError])
def test_an_error_is_one_line_that_any_terminal_can_show(kind):
    error = kind("a\nb\x1b[2J\udce9 \u202eé山")
    assert str(error) == r"a\nb\x1b[2J\udce9 \u202eé山"
    assert f"{error}" == str(error)


def test_what_is_printable_stays():
    text = r"C:\people\é山 🙂 'x'"
    assert printable(text) == text
    assert printable(printable("a\n")) == printable("a\n")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            OSError(28, "No space left on device", "a/b\n"),
            r"a/b\n: No space left on device",
        ),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("broken"), "broken"),
    ],
)
def test_the_system_s_reason(error, says):
    assert reason_of(error) == says


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (InputError("mend it"), 1, "faces: mend it\n"),
        (UsageError("give another"), 2, "faces: give another\n"),
        (OSError(28, "No space left", "a"), 1, "faces: a: No space left\n"),
        (
            MemoryError(),
            1,
            "faces: out of memory; end other programs, or give it less at a time\n",
        ),
        (KeyboardInterrupt(), 130, "faces: stopped\n"),
    ],
)
def test_a_program_ends_with_one_line_and_a_status(error, status, says, capsys):
    def run():
        raise error

    assert exit_status_of("faces", run, when_stopped="stopped") == status
    assert capsys.readouterr().err == says


def test_a_program_that_does_its_work_says_nothing(capsys):
    assert exit_status_of("faces", lambda: None, when_stopped="stopped") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "error", [InputError("mend it"), OSError(28, "No space left"), KeyboardInterrupt()]
)
def test_debugging_shows_where_an_error_was_raised(error, capsys):
    def run():
        raise error

    plain = exit_status_of("faces", run, when_stopped="stopped")
    line = capsys.readouterr().err
    assert exit_status_of("faces", run, when_stopped="stopped", debug=True) == plain
    said = capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last)")
    assert "test_errors.py" in said
    assert said.endswith(line)


def test_a_status_of_its_own_is_the_program_s():
    assert exit_status_of("faces", lambda: 3, when_stopped="stopped") == 3


PRINTS = """
import sys
from cl_facenet.errors import exit_status_of

def run():
    for number in range(100_000):
        print(number)

sys.exit(exit_status_of("faces", run, when_stopped="stopped"))
"""


def test_a_reader_that_has_enough_ends_a_program_without_a_word():
    """As `| head -1`; the status is that of a program that SIGPIPE ends."""
    with subprocess.Popen(
        [sys.executable, "-c", PRINTS], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        assert program.stdout.readline() == b"0\n"
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_output_that_finds_no_room_is_one_line():
    code = PRINTS.replace("100_000", "3")
    with open("/dev/full", "w") as full:
        program = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert program.returncode != 0
    assert program.stderr.startswith("faces: No space left on device\n")


def test_what_is_nobody_s_to_mend_is_raised():
    with pytest.raises(ZeroDivisionError):
        exit_status_of("faces", lambda: 1 / 0, when_stopped="stopped")
