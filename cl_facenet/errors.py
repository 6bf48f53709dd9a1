"""Errors that are the user's to mend: one line, no traceback."""

import logging
import os
import select
import sys
import traceback
import warnings
from collections.abc import Callable

NO_FACE = 3  # exit status: no answer was given, since no face was found in a photo


class InputError(ValueError):
    """Bad data or a bad file; the message names it and says what to do (exit 1)."""

    exit_status = 1

    def __str__(self) -> str:
        return printable(super().__str__())


class NotNowError(InputError):
    """The system does not let data be read now, which may be sound: never left out."""


class NoFaceError(InputError):
    """There is no answer, since no face was found."""

    exit_status = NO_FACE


class UsageError(InputError):
    """A bad flag or config key; the message names it and says what to do (exit 2)."""

    exit_status = 2


def exit_status_of(
    program: str,
    run: Callable[[], int | None],
    *,
    when_stopped: str,
    debug: bool = False,
) -> int:
    """That of a program; what the user can mend is one line on the standard error.

    Args:
      run: gives a status other than 0 where there is one.
      when_stopped: what is said when Ctrl-C ends it.
      debug: whether the traceback comes before the line.
    """
    _leave_out_pillows_remarks()
    try:
        status = run() or 0
        sys.stdout.flush()  # what cannot be printed shall be said here, too
        return status
    except (InputError, OSError, MemoryError, KeyboardInterrupt) as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return 141  # as of a program that the signal ends
        if debug:
            traceback.print_exc()
        if isinstance(error, InputError):
            said, status = str(error), error.exit_status
        elif isinstance(error, OSError):  # a full disk, a folder that is not ours
            said, status = reason_of(error), 1
        elif isinstance(error, MemoryError):
            said = "out of memory; end other programs, or give it less at a time"
            status = 1
        else:
            said, status = when_stopped, 130
    print(f"{program}: {said}", file=sys.stderr)
    return status


def _leave_out_pillows_remarks() -> None:
    """It is we who say whether a photo can be read. What -W asks for is shown."""
    warnings.filterwarnings("ignore", module=r"PIL\.", append=True)
    logging.getLogger("PIL").addHandler(logging.NullHandler())


def _nobody_reads() -> bool:
    """Whether it is the standard output that broke, as by `| head`; it is shut then."""
    try:
        output = select.poll()
        output.register(sys.stdout.fileno(), 0)
        broken = any(event & select.POLLERR for _, event in output.poll(0))
    except (AttributeError, OSError):  # no such call on Windows; no file, in a notebook
        return False
    if broken:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return broken


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
