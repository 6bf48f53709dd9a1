"""Does center loss help? The same training with and without it, by several seeds.

python -m experiments.lfw_recipe.seeds [--seeds=3]

Trains those that seeds.json does not have, two beside each other, each on a core of its
own, and writes seeds.json and seeds.md. LFW must be prepared (README).
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from cl_facenet.evaluation.bootstrap import NUM_DRAWS, PERCENTILES
from experiments import runs
from experiments.lfw_recipe.scores import open_training, vectors_of, verify_all
from experiments.lfw_recipe.trials import SIDES

HERE = Path(__file__).parent
RESULTS = HERE / "seeds.json"
BASELINE, *OTHERS = SIDES
MEASURES = ("accuracy", "AUC")
HEAD = ["", *(f"view 1: {name}, by seed" for name in MEASURES), "tune: AUC, by seed"]
HEAD += [f"{name} less that of {BASELINE}" for name in MEASURES]


def measure(result: dict[str, Any], about: dict[str, str]) -> dict[str, Any]:
    """One training on view 1's pairs, by the threshold of the people to tune on."""
    embedder, exam = open_training(Path(result["workdir"]))
    vectors, labels = vectors_of(embedder, exam, mirrored=False), exam.records.labels
    tune = verify_all(vectors, exam.tuning, labels)
    view1 = verify_all(vectors, exam.tested, labels)
    return {
        "about": about,
        "train": result["metrics"][-1],
        "tune_auc": tune.summary()["auc"],
        "threshold": tune.threshold,
        "distances": np.round(view1.distances, 6).tolist(),
        "people": labels[view1.pairs].tolist(),
        "same": view1.same.tolist(),
    }


def measures(
    distances: np.ndarray, thresholds: np.ndarray, same: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """MEASURES of trainings [S, 2] by their distances [S, P], where pairs weigh [P]."""
    right = (distances < thresholds[:, None]) == same
    accuracy = right @ weights / weights.sum()
    area = [roc_auc_score(same, -own, sample_weight=weights) for own in distances]
    return np.stack([accuracy, area], -1)


def differences(
    ours: np.ndarray,
    theirs: np.ndarray,
    people: np.ndarray,
    same: np.ndarray,
    *,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The mean over seeds of one side's MEASURES less another's, and its interval.

    People are drawn anew, as for every interval here (evaluation/bootstrap.py), and so
    are the seeds, with what both sides made of each: the interval is over who was asked
    and over how a training happened to go.

    Args:
      ours, theirs: thresholds and distances [S, 1 + P], of the same seeds in order.
      people: whose pairs they are [P, 2].
      same: whether of one person [P].

    Returns:
      [2] and [2 ends, 2].
    """
    rng = np.random.default_rng(seed)
    _, who = np.unique(people, return_inverse=True)
    first, second = who.reshape(people.shape).T

    def difference(weights: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        kept = weights > 0
        one, other = (
            measures(
                side[seeds, 1:][:, kept], side[seeds, 0], same[kept], weights[kept]
            )
            for side in (ours, theirs)
        )
        return (one - other).mean(0)

    draws = []
    for _ in range(NUM_DRAWS):
        times = np.bincount(
            rng.choice(who.max() + 1, who.max() + 1), minlength=who.max() + 1
        )
        weights = times[first] * np.where(same, 1, times[second])
        draws.append(difference(weights, rng.choice(len(ours), len(ours))))
    everyone = difference(np.ones(len(same)), np.arange(len(ours)))
    return everyone, np.percentile(draws, PERCENTILES, axis=0)


def table(known: dict[str, Any], num_seeds: int) -> str:
    """A row a side, its difference from the first one at the end."""
    sides = {
        side: [known[name_of(side, n)] for n in range(num_seeds)] for side in SIDES
    }
    (any_one, *_), *_ = sides.values()
    people, same = np.array(any_one["people"]), np.array(any_one["same"])
    arrays = {
        side: np.array([[own["threshold"], *own["distances"]] for own in trained])
        for side, trained in sides.items()
    }
    rows = []
    for side, own in arrays.items():
        each = measures(own[:, 1:], own[:, 0], same, np.ones(len(same)))
        cells = [", ".join(f"{x:.3f}" for x in column) for column in each.T]
        cells.append(", ".join(f"{one['tune_auc']:.3f}" for one in sides[side]))
        if side == BASELINE:
            cells += [""] * len(MEASURES)
        else:
            mean, ends = differences(own, arrays[BASELINE], people, same, seed=0)
            cells += [
                f"{x:+.3f} ({low:+.3f} to {high:+.3f})"
                for x, low, high in zip(mean, *ends, strict=True)
            ]
        rows.append([side, *cells])
    return runs.markdown(HEAD, rows)


def name_of(side: str, seed: int) -> str:
    """What a training is called."""
    return f"{side}, seed {seed}"


def main() -> None:
    """Those that are missing, each pair of them kept as soon as both have ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    num_seeds = parser.parse_args().seeds
    directory, about = runs.begin("lfw_recipe_seeds")
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    trainings = {
        name_of(side, n): (*flags, f"--config.seed={n}")
        for n in range(num_seeds)
        for side, flags in SIDES.items()
    }
    missing = [name for name in trainings if name not in known]
    for start in range(0, len(missing), 2):
        pair = {name: trainings[name] for name in missing[start : start + 2]}
        for name, result in runs.train_all(directory, pair, at_once=2).items():
            known[name] = measure(result, about)
        RESULTS.write_text(json.dumps(known) + "\n")
    (HERE / "seeds.md").write_text(table(known, num_seeds))
    print((HERE / "seeds.md").read_text())


if __name__ == "__main__":
    main()
