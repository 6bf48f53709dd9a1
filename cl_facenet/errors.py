"""Errors that are the user's to mend: one line, no traceback."""


class InputError(ValueError):
    """Bad data or a bad file; the message names it and says what to do (exit 1)."""

    exit_status = 1


class UsageError(InputError):
    """A bad flag or config key; the message names it and says what to do (exit 2)."""

    exit_status = 2
