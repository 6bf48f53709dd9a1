"""The notebooks anew, outputs and all: python -m experiments.notebooks.run [NAME ...]

Each is executed in an empty folder, so that it finds nothing of an earlier time, and
written back without what differs between machines. The pictures that it writes into
that folder are kept beside it.
"""

import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

HERE = Path(__file__).parent
NAMES = ("compare_faces", "centers", "fine_tune")


def read(name: str) -> NotebookNode:
    """A notebook as it is kept."""
    return nbformat.read(HERE / f"{name}.ipynb", as_version=4)


def execute(name: str, folder: Path, **parameters: Any) -> NotebookNode:
    """A notebook, its cells executed in a folder.

    Args:
      parameters: instead of those in its cell with the tag `parameters`: all or none.

    Raises:
      CellExecutionError: a cell has raised.
      ValueError: the cell sets other parameters.
    """
    notebook = read(name)
    if parameters:
        (cell,) = (
            c for c in notebook.cells if "parameters" in c.metadata.get("tags", ())
        )
        there = {line.partition(" = ")[0] for line in cell.source.splitlines()}
        if there != set(parameters):
            raise ValueError(f"{name} has parameters {sorted(there)}")
        cell.source = "\n".join(f"{key} = {x!r}" for key, x in parameters.items())
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(
        notebook, timeout=1800, record_timing=False, resources=resources
    )
    return client.execute()


def strip(notebook: NotebookNode) -> None:
    """Leaves out what tells of the machine: its Python, and cells' own metadata."""
    notebook.metadata = {
        "kernelspec": {
            "display_name": "Python 3",
            "language": "python",
            "name": "python3",
        },
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {k: x for k, x in cell.metadata.items() if k == "tags"}


def main() -> None:
    """Those named, or all."""
    for name in sys.argv[1:] or NAMES:
        with TemporaryDirectory() as folder:
            start = time.monotonic()
            notebook = execute(name, Path(folder))
            print(f"{name}: {time.monotonic() - start:.0f} s")
            for picture in Path(folder).glob("*.gif"):
                shutil.copy(picture, HERE)
        strip(notebook)
        nbformat.write(notebook, HERE / f"{name}.ipynb")


if __name__ == "__main__":
    main()
