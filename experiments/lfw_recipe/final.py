"""configs/lfw.py as it stands, on view 1 and, once, on view 2.

python -m experiments.lfw_recipe.final

Trains it on four fifths of view 1's training people, whose others give the threshold,
on all of them (the shipped embedder), and on the people of each half of view 2; two
trainings beside each other, each on a core of its own. What is interrupted goes on.
Writes final.json and final.md. LFW must be prepared (README).
"""

import json
from pathlib import Path
from typing import Any

import cl_facenet
from cl_facenet.benchmark import benchmark
from cl_facenet.embedder import Embedder
from experiments import runs
from experiments.lfw_recipe.scores import (
    CROPS,
    Exam,
    by_threshold,
    open_training,
    score,
    vectors_of,
    verify_all,
)

HERE = Path(__file__).parent
TUNED, SHIPPED = "view1_tune", "view1"
HALVES = ("sets_1_to_5", "sets_6_to_10")
TRAININGS = {
    protocol: ("--config=configs/lfw.py", f"--config.data.lfw.protocol={protocol}")
    for protocol in (TUNED, SHIPPED, *HALVES)
}
HEAD = [
    "pairs",
    "trained on",
    "used as",
    "accuracy (95 % interval)",
    "AUC (95 % interval)",
]


def on_view1(
    embedder: Embedder, exam: Exam, thresholds: dict[str, float]
) -> dict[str, Any]:
    """View 1 by a training that left nobody out to take a threshold from.

    Args:
      exam: that of a training on view1_tune, which has the pairs.
      thresholds: by the crop.
    """
    labels, scores = exam.records.labels, {}
    for crop, mirrored in CROPS.items():
        vectors = vectors_of(embedder, exam, mirrored=mirrored)
        view1 = verify_all(vectors, exam.tested, labels)
        scores[crop] = {
            "view1": view1.summary(),
            "by_threshold": by_threshold(view1, labels, thresholds[crop]),
        }
    return scores


def row(trained_on: str, crop: str, score: dict[str, Any]) -> list[str]:
    """A crop's cells under HEAD, of view 1."""
    accuracy = runs.with_interval(score["by_threshold"], "accuracy_mean")
    area = runs.with_interval(score["view1"], "auc")
    return ["view 1", trained_on, crop, accuracy, area]


def main() -> None:
    """All four trainings, and what they get."""
    directory, about = runs.begin("lfw_recipe_final")
    trained = runs.train_all(directory, TRAININGS, at_once=2)
    workdirs = {name: Path(result["workdir"]) for name, result in trained.items()}
    scored = score(workdirs[TUNED])
    tuned = {crop: scored[crop] for crop in CROPS}
    thresholds = {crop: own["by_threshold"]["threshold"] for crop, own in tuned.items()}
    _, exam = open_training(workdirs[TUNED])
    shipped = on_view1(cl_facenet.load(workdirs[SHIPPED]), exam, thresholds)
    halves = [str(workdirs[half]) for half in HALVES]
    view2 = benchmark(halves, "lfw_view2", "lfw", "")
    rows = [row("four fifths of its people", crop, own) for crop, own in tuned.items()]
    rows += [row("all of its people", crop, own) for crop, own in shipped.items()]
    accuracy = (
        f"{view2['accuracy_mean']:.4f} ± {view2['accuracy_std']:.4f} over folds, "
        f"{runs.with_interval(view2, 'accuracy_mean')}"
    )
    area = runs.with_interval(view2, "auc")
    rows.append(["view 2", "the other half", next(iter(CROPS)), accuracy, area])
    results = {
        "about": about,
        "trainings": {
            name: {key: result[key] for key in ("minutes", "photos_per_second")}
            | {"last": result["metrics"][-1]}
            for name, result in trained.items()
        },
        "view1, tuned": tuned,
        "view1, shipped": shipped,
        "view2": view2,
    }
    (HERE / "final.json").write_text(json.dumps(results, indent=1) + "\n")
    (HERE / "final.md").write_text(runs.markdown(HEAD, rows))
    print((HERE / "final.md").read_text())


if __name__ == "__main__":
    main()
