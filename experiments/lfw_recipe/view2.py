"""configs/lfw.py on view 2, once: python -m experiments.lfw_recipe.view2

Trains it on the people of each half of the ten sets, beside each other, each on a core
of its own; all 6,000 pairs are scored, each by the one that has not seen its people.
What is interrupted goes on. Writes view2.json and view2.md. LFW must be prepared
(README).
"""

import json
from pathlib import Path
from typing import Any

from cl_facenet.benchmark import benchmark
from experiments import runs
from experiments.lfw_recipe.run import cost

HERE = Path(__file__).parent
TRAININGS = {
    half: ("--config=configs/lfw.py", f"--config.data.lfw.protocol={half}")
    for half in ("sets_1_to_5", "sets_6_to_10")
}
HEAD = [
    *("accuracy, ten folds", "over people (95 % interval)", "AUC (95 % interval)"),
    *("equal error rate (95 % interval)", "true accepts at false accepts of 0.01"),
]


def row(view2: dict[str, Any]) -> list[str]:
    """Its cells under HEAD."""
    low, high = view2["intervals"]["tar_at_far"]["0.01"]
    return [
        f"{view2['accuracy_mean']:.4f} ± {view2['accuracy_std']:.4f}",
        *(runs.with_interval(view2, key) for key in ("accuracy_mean", "auc", "eer")),
        f"{view2['tar_at_far']['0.01']:.3f} ({low:.3f} to {high:.3f})",
    ]


def main() -> None:
    """Both halves, and what they get together."""
    directory, about = runs.begin("lfw_recipe_view2")
    trained = runs.train_all(directory, TRAININGS, at_once=2)
    workdirs = [result["workdir"] for result in trained.values()]
    view2 = benchmark(workdirs, "lfw_view2", "lfw", "")
    trainings = {
        half: cost(result) | {"train": result["metrics"][-1]}
        for half, result in trained.items()
    }
    content = {"about": about, "trainings": trainings, "verification": view2}
    (HERE / "view2.json").write_text(json.dumps(content, indent=1) + "\n")
    (HERE / "view2.md").write_text(runs.markdown(HEAD, [row(view2)]))
    print((HERE / "view2.md").read_text())


if __name__ == "__main__":
    main()
