"""What the libraries log: all of it reaches the user, but what is raised as well."""

import logging

# Where Orbax logs, with its whole traceback, the error of a save that it then raises.
_RAISED_AS_WELL = ("async_checkpointer.py", "future.py")


def without_what_is_raised() -> None:
    """From here on, Orbax's log leaves out the errors that it also raises."""
    logger = logging.getLogger("absl")
    if _is_news not in logger.filters:
        logger.addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    is_raised = record.exc_info and record.filename in _RAISED_AS_WELL
    return not (is_raised and "orbax" in record.pathname)
