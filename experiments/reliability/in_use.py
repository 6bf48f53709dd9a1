"""Uses the package as people do, where it was once wrong without a word.

python -m experiments.reliability.in_use

Threads and a server, processes, photos without a face, photos in all formats, folders
as cameras and data sets leave them, and what was made of something else. The shipped
embedder, the commands of the shell, ORL's photographs.
"""

import json
import tempfile
import time
from pathlib import Path

from experiments import runs
from experiments.reliability.use import (
    faces,
    formats,
    layouts,
    processes,
    stale,
    threads,
)

HERE = Path(__file__).parent
FAMILIES = {
    "threads": threads.KINDS,
    "processes": processes.KINDS,
    "faces": faces.KINDS,
    "layouts": layouts.KINDS,
    "formats": formats.KINDS,
    "stale": stale.KINDS,
}


def main() -> None:
    """Uses, counts, writes."""
    _, about = runs.begin("reliability")
    started, rows, wrong = time.monotonic(), [], []
    for family, kinds in FAMILIES.items():
        for kind, use in kinds.items():
            with tempfile.TemporaryDirectory() as room:
                found = use(Path(room))
            bad = [says for says in found if says]
            rows.append([family, kind, f"{len(found)}", f"{len(bad)}"])
            wrong += [{"of": family, "kind": kind, "says": says} for says in bad]
            print(*rows[-1], *bad, sep=" | ", flush=True)
    total = [f"{sum(int(row[column]) for row in rows)}" for column in (2, 3)]
    table = runs.markdown(
        ["of", "kind", "cases", "wrong"], [*rows, ["all", "", *total]]
    )
    about["seconds"] = f"{time.monotonic() - started:.0f}"
    content = {"about": about, "kinds": rows, "wrong": wrong}
    (HERE / "in_use.json").write_text(json.dumps(content, indent=1) + "\n")
    (HERE / "in_use.md").write_text(table)
    print(table)


if __name__ == "__main__":
    main()
