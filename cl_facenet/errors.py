"""Errors that are the user's to mend: one line, no traceback."""

import logging
import sys
import warnings
from collections.abc import Callable

NO_FACE = 3  # exit status: no answer was given, since no face was found in a photo


class InputError(ValueError):
    """Bad data or a bad file; the message names it and says what to do (exit 1)."""

    exit_status = 1

    def __str__(self) -> str:
        return printable(super().__str__())


class UsageError(InputError):
    """A bad flag or config key; the message names it and says what to do (exit 2)."""

    exit_status = 2


def exit_status_of(
    program: str, run: Callable[[], int | None], *, when_stopped: str
) -> int:
    """That of a program; what the user can mend is one line on the standard error.

    Args:
      run: gives a status other than 0 where there is one.
      when_stopped: what is said when Ctrl-C ends it.
    """
    _leave_out_pillows_remarks()
    try:
        return run() or 0
    except InputError as error:
        said, status = str(error), error.exit_status
    except OSError as error:  # a full disk, a folder that may not be written
        said, status = reason_of(error), 1
    except MemoryError:
        said, status = "out of memory; end other programs, or give it less at a time", 1
    except KeyboardInterrupt:
        said, status = when_stopped, 130
    print(f"{program}: {said}", file=sys.stderr)
    return status


def _leave_out_pillows_remarks() -> None:
    """It is we who say whether a photo can be read. What -W asks for is shown."""
    warnings.filterwarnings("ignore", module=r"PIL\.", append=True)
    logging.getLogger("PIL").addHandler(logging.NullHandler())


def reason_of(error: OSError) -> str:
    """What the system refused, and of which file where it says so."""
    reason = error.strerror or str(error)
    return printable(f"{error.filename}: {reason}" if error.filename else reason)


def printable(text: str) -> str:
    r"""`text` on one line of any terminal: the rest of it as \n, \x1b, \udce9.

    Names of files may hold line ends, commands to terminals and bytes that are no text.
    """
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape").decode()
        for character in text
    )
