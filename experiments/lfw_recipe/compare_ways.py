"""Ways to use one network's vectors.

python -m experiments.lfw_recipe.compare_ways WORKDIR

WORKDIR is of a training on view1_tune, one of the trials say. Every one of CROPS in
every one of FITS is scored on the people to tune on and on view 1; writes ways.json and
ways.md.
"""

import argparse
import json
from pathlib import Path

from cl_facenet.workdir import read_config
from experiments import runs
from experiments.lfw_recipe.run import SCORES, scored
from experiments.lfw_recipe.scores import score
from experiments.lfw_recipe.ways import CROPS

HERE = Path(__file__).parent
HEAD = ["vectors", *SCORES]


def main() -> None:
    """All ways, of one training."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workdir", type=Path)
    workdir = parser.parse_args().workdir
    scores = score(workdir, tuple(CROPS))
    content = {
        "about": runs.setting(),
        "config": read_config(workdir),
        "scores": scores,
    }
    (HERE / "ways.json").write_text(json.dumps(content, indent=1) + "\n")
    table = runs.markdown(HEAD, [[way, *scored(own)] for way, own in scores.items()])
    (HERE / "ways.md").write_text(table)
    print(table)


if __name__ == "__main__":
    main()
