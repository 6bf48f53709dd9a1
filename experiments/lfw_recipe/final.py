"""configs/lfw.py as it stands, on view 1, beside what it is better than.

python -m experiments.lfw_recipe.final

Trains it on four fifths of view 1's training people, whose others give the threshold,
and on all of them (the shipped embedder), beside each other, each on a core of its own.
What is interrupted goes on. Writes final.json and final.md, and keeps the report of
the latter. LFW must be prepared (README).
"""

import json
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

import cl_facenet
from cl_facenet.embedder import Embedder
from cl_facenet.workdir import read_config
from experiments import runs
from experiments.lfw_recipe import run
from experiments.lfw_recipe.scores import (
    Exam,
    by_threshold,
    exam_of,
    score,
    vectors_of,
    verify_all,
)
from experiments.lfw_recipe.ways import MIRRORED, ONE

HERE = Path(__file__).parent
TUNED, SHIPPED = "view1_tune", "view1"
TRAININGS = {
    protocol: ("--config=configs/lfw.py", f"--config.data.lfw.protocol={protocol}")
    for protocol in (TUNED, SHIPPED)
}
# What it stands beside: trials of run.py, each trained on four fifths of the people.
BESIDE = {
    "eigenfaces": "head, eigenfaces",
    "softmax": "strong, plain softmax, lambda 0",
    "softmax with a margin": "strong, lambda 0",
    "softmax with a margin, and center loss": "strong, lambda 10",
}
HEAD = [
    *("", "photos seen", "minutes", "view 1: accuracy (95 % interval)"),
    *("AUC (95 % interval)", "accuracy with the mirror image"),
]
LOOKS = (ONE, MIRRORED)  # of CROPS


def on_view1(
    embedder: Embedder, exam: Exam, thresholds: dict[str, float]
) -> dict[str, Any]:
    """View 1 by a training that left nobody out to take a threshold from.

    Args:
      exam: that of a training on view1_tune, which has the pairs.
      thresholds: by the crop.
    """
    labels, scores = exam.records.labels, {}
    for crop, vectors in vectors_of(embedder, exam, LOOKS).items():
        view1 = verify_all(vectors, exam.tested, labels)
        scores[crop] = {
            "view1": view1.summary(),
            "by_threshold": by_threshold(view1, labels, thresholds[crop]),
        }
    return scores


def row(name: str, own: dict[str, Any]) -> list[str]:
    """Its cells under HEAD."""
    one, mirrored = (own["scores"].get(crop) for crop in LOOKS)
    is_network = mirrored is not None
    return [
        name,
        f"{own['num_photos']:,}" if is_network else "",
        f"{own['minutes']:.0f}" if is_network else "",
        runs.with_interval(one["by_threshold"], "accuracy_mean"),
        runs.with_interval(one["view1"], "auc"),
        runs.with_interval(mirrored["by_threshold"], "accuracy_mean")
        if is_network
        else "",
    ]


def table(final: dict[str, Any]) -> str:
    """Both trainings' rows, under those that they stand beside."""
    tried = run.results()
    rows = [row(name, tried[trial]) for name, trial in BESIDE.items()]
    rows.append(row("the recipe", final[TUNED]))
    rows.append(row("the recipe, all people of view 1", final[SHIPPED]))
    return runs.markdown(HEAD, rows)


def main() -> None:
    """Both trainings, and what they get."""
    directory, about = runs.begin("lfw_recipe_final")
    trained = runs.train_all(directory, TRAININGS, at_once=2)
    workdirs = {name: Path(result["workdir"]) for name, result in trained.items()}
    tuned = score(workdirs[TUNED], LOOKS)
    thresholds = {crop: tuned[crop]["by_threshold"]["threshold"] for crop in LOOKS}
    exam = exam_of(ConfigDict(read_config(workdirs[TUNED])))
    shipped = on_view1(cl_facenet.load(workdirs[SHIPPED]), exam, thresholds)
    final = {
        name: run.cost(result) | {"train": result["metrics"][-1], "scores": scores}
        for (name, result), scores in zip(
            trained.items(), (tuned, shipped), strict=True
        )
    }
    content = {"about": about, "results": final}
    (HERE / "final.json").write_text(json.dumps(content, indent=1) + "\n")
    (HERE / "final.md").write_text(table(final))
    runs.keep_report(HERE, trained[SHIPPED])
    print((HERE / "final.md").read_text())


if __name__ == "__main__":
    main()
