"""Arguments of a command line: a bad one is one line, and paths are of this machine."""

import argparse
import os
from pathlib import Path
from typing import NoReturn

from cl_facenet.errors import UsageError, printable
from cl_facenet.paths import local_path


class OneLineParser(argparse.ArgumentParser):
    """A parser, and of its sub-commands, whose errors are one line each."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with status 2."""
        self.exit(2, f"{self.prog}: {printable(message)}; see --help\n")


def path(text: str) -> Path:
    """The type of an argument that is a path."""
    # Of a ValueError, which UsageError is, argparse would not give the words.
    try:
        return local_path(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def path_as_typed(text: str) -> str:
    """The type of one that is also shown: as it was typed, but for `~`."""
    expanded = os.fspath(path(text))
    return expanded if text[:1] == "~" else text


def pairs_or_protocol(text: str) -> str:
    """The type of --protocol: in pairs:FILE there is a path."""
    kind, _, file = text.partition(":")
    if kind == "pairs":
        path(file)
    return text
