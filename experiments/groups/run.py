"""Whom the shipped embedder fails: errors by what can be seen without labels.

python -m experiments.groups.run --source=LFW

LFW must be prepared (README), and its archive be in the folder LFW. Writes the groups
to runs/groups, and results.json, table.md and a picture beside this file. Needs
pip install -e '.[align]'.
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cl_facenet.benchmark import benchmark
from cl_facenet.data import lfw
from cl_facenet.data.archive import unpacked
from cl_facenet.data.lfw_splits import view1_people
from experiments import runs
from experiments.groups import attributes
from experiments.groups.picture import draw

HERE = Path(__file__).parent
MODEL = "nn4_small2_lfw"
DIGITS = {"false_non_match_rate": 3, "false_match_rate": 4, "auc": 3}


def write_groups(source: Path, path: Path) -> dict[str, list[float]]:
    """Writes the CSV of all photos of view 1's people who are not trained on."""
    photos_at = lfw.find_photos(source)
    (people,) = view1_people(lfw.read_protocol_files(photos_at.parent))
    with (
        tempfile.TemporaryDirectory() as workspace,
        unpacked(photos_at, Path(workspace)) as folder,
    ):
        names = [
            f"{person}/{photo.name}"
            for person in people
            for photo in sorted((folder / person).iterdir())
        ]
        return attributes.write(path, names, attributes.measure(folder, names))


def table(groups: Mapping[str, Any]) -> str:
    """A row a group; bold where the difference from the rest is more than chance."""
    head = ["", "people", "photos", "false non-matches", "false matches", "AUC"]
    rows = [["all", *_cells(groups["overall"])]]
    for name, grouping in groups["groupings"].items():
        rows += [
            [f"{name}: {group}", *_cells(found)]
            for group, found in grouping["groups"].items()
        ]
    return runs.markdown(head, rows)


def _cells(found: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{found[key]:,}" for key in ("num_people", "num_photos"))
    for key, digits in DIGITS.items():
        value, ends = found[key]["value"], found[key]["interval"]
        less = found[key]["difference_interval"]
        text = "none to measure" if value is None else f"{value:.{digits}f}"
        if ends:
            text += f" ({ends[0]:.{digits}f} to {ends[1]:.{digits}f})"
        yield f"**{text}**" if less and not less[0] <= 0 <= less[1] else text


def main() -> None:
    """The groups, the errors, and the files beside this one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True)
    arguments = parser.parse_args()
    directory, about = runs.begin("groups")
    path = directory / "groups.csv"
    cuts = write_groups(arguments.source, path)
    results = benchmark([MODEL], "lfw_view1", "lfw", "", groups=str(path))
    runs.write(HERE, about, results | {"thirds": cuts}, table(results["groups"]))
    draw(results["groups"], HERE / "groups.png")


if __name__ == "__main__":
    main()
