"""The cl-facenet command: photos compared, named, grouped; models scored, exported."""

import argparse
import sys
from collections.abc import Sequence

from cl_facenet.arguments import OneLineParser
from cl_facenet.commands import (
    align,
    cluster,
    compare,
    embed,
    evaluate,
    export,
    identify,
)
from cl_facenet.devices import import_jax
from cl_facenet.errors import NO_FACE, exit_status_of

_STATUSES = (
    "Exit status: 0 an answer was given, 1 bad data, 2 bad flags, "
    f"{NO_FACE} no answer of compare or identify, since no face was found in a photo."
)

_COMMANDS = {
    "compare": (compare, "whether two photos show the same person"),
    "identify": (identify, "who of a gallery is on a photo, or that it is nobody"),
    "cluster": (cluster, "who is who in a folder of photos: a page to look at"),
    "embed": (embed, "the vectors of all photos in a folder, in a file"),
    "align": (align, "photos of a folder to aligned squares in another"),
    "evaluate": (evaluate, "score a saved model by a published protocol"),
    "export": (export, "a trained network as a file for other programs, or a folder"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; what the user can mend is one line and an exit status."""
    arguments = _parser().parse_args(argv)
    return exit_status_of(
        "cl-facenet",
        lambda: _run(arguments),
        when_stopped="stopped",
        debug=arguments.debug,
    )


def _run(arguments: argparse.Namespace) -> int | None:
    if arguments.needs_jax:
        import_jax()
    return arguments.run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="cl-facenet", description=__doc__, epilog=_STATUSES)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (command, about) in _COMMANDS.items():
        description = f"{about[0].upper()}{about[1:]}. {_STATUSES}"
        own = commands.add_parser(name, help=about, description=description)
        own.set_defaults(run=command.run, needs_jax=command is not align)
        command.add(own)
        own.epilog = f"example: {own.epilog}"
        own.add_argument("--json", action="store_true", help="for machines")
        own.add_argument(
            "--debug", action="store_true", help="show the traceback of an error"
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
