"""Errors are one line, whatever the names in them are."""

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


def test_what_is_nobody_s_to_mend_is_raised():
    with pytest.raises(ZeroDivisionError):
        exit_status_of("faces", lambda: 1 / 0, when_stopped="stopped")
