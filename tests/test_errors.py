"""Errors are one line, whatever the names in them are."""

import pytest

from cl_facenet.errors import InputError, UsageError, printable, reason_of


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
