"""A command as a shell runs it, and what it said."""

import json
import shlex

from cl_facenet import cli


def say(line, capsys):
    """Runs cl-facenet LINE: exit status, output, errors."""
    try:
        status = cli.main(shlex.split(line))
    except SystemExit as stopped:
        status = stopped.code
    said = capsys.readouterr()
    return status, said.out, said.err


def answer(run):
    """The JSON that it printed, which was all that it said."""
    status, out, err = run
    assert (status, err) == (0, "")
    return json.loads(out)
