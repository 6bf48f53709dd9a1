"""The cl-facenet command: photos aligned, models scored and exported."""

import argparse
import sys
from collections.abc import Sequence

from cl_facenet.commands import align, evaluate, export
from cl_facenet.errors import InputError, reason_of

_COMMANDS = {
    "align": (align, "photos of a folder to aligned squares in another"),
    "evaluate": (evaluate, "score a saved model by a published protocol"),
    "export": (export, "a trained network as a file for other programs, or a folder"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; what the user can mend is one line and an exit status."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except InputError as error:
        print(f"cl-facenet: {error}", file=sys.stderr)
        return error.exit_status
    except OSError as error:  # a full disk, a folder that may not be written
        print(f"cl-facenet: {reason_of(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("cl-facenet: stopped", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cl-facenet", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (command, about) in _COMMANDS.items():
        own = commands.add_parser(name, help=about)
        own.set_defaults(run=command.run)
        command.add(own)
        own.add_argument("--json", action="store_true", help="for machines")
    return parser


if __name__ == "__main__":
    sys.exit(main())
