"""Does center loss help? The same training with and without it, by several seeds.

python -m experiments.lfw_recipe.seeds [--seeds=3]

Trains those that seeds.json does not have, two beside each other, each on a core of its
own, and writes seeds.json and seeds.md. LFW must be prepared (README).
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from cl_facenet.evaluation.bootstrap import NUM_DRAWS, PERCENTILES
from experiments import runs
from experiments.lfw_recipe.scores import open_training, vectors_of, verify_all
from experiments.lfw_recipe.trials import SIDES
from experiments.lfw_recipe.ways import ONE

HERE = Path(__file__).parent
RESULTS = HERE / "seeds.json"
BASELINE, *OTHERS = SIDES
MEASURES = ("accuracy", "AUC")
# Of which pairs what is shown. Not the accuracy of the people to tune on: the threshold
# is the best one for them.
COLUMNS = (("view 1", "accuracy"), ("view 1", "AUC"), ("tune", "AUC"))


@dataclass(frozen=True)
class Pairs:
    """Whose pairs they are [P, 2], and whether of one person [P]."""

    people: np.ndarray
    same: np.ndarray


def measure(
    result: dict[str, Any], about: dict[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """One training on both sets of pairs; and these, which are the same for all."""
    embedder, exam = open_training(Path(result["workdir"]))
    vectors, labels = vectors_of(embedder, exam, (ONE,))[ONE], exam.records.labels
    scored = {
        name: verify_all(vectors, pairs, labels)
        for name, pairs in (("view 1", exam.tested), ("tune", exam.tuning))
    }
    pairs = {
        name: {"people": labels[own.pairs].tolist(), "same": own.same.tolist()}
        for name, own in scored.items()
    }
    measured = {
        "about": about,
        "train": result["metrics"][-1],
        "threshold": scored["tune"].threshold,
        "distances": {
            name: np.round(own.distances, 6).tolist() for name, own in scored.items()
        },
    }
    return measured, pairs


def measures(
    distances: np.ndarray, thresholds: np.ndarray, same: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """MEASURES of trainings [S, 2] by their distances [S, P], where pairs weigh [P]."""
    right = (distances < thresholds[:, None]) == same
    accuracy = right @ weights / weights.sum()
    area = [roc_auc_score(same, -own, sample_weight=weights) for own in distances]
    return np.stack([accuracy, area], -1)


def differences(
    ours: np.ndarray, theirs: np.ndarray, pairs: Pairs, *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The mean over seeds of one side's MEASURES less another's, and its interval.

    People are drawn anew, as for every interval here (evaluation/bootstrap.py), and so
    are the seeds, with what both sides made of each: the interval is over who was asked
    and over how a training happened to go.

    Args:
      ours, theirs: thresholds and distances [S, 1 + P], of the same seeds in order.

    Returns:
      [2] and [2 ends, 2].
    """
    rng = np.random.default_rng(seed)
    _, who = np.unique(pairs.people, return_inverse=True)
    first, second = who.reshape(pairs.people.shape).T

    def difference(weights: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        kept = weights > 0
        one, other = (
            measures(
                side[seeds, 1:][:, kept],
                side[seeds, 0],
                pairs.same[kept],
                weights[kept],
            )
            for side in (ours, theirs)
        )
        return (one - other).mean(0)

    draws = []
    for _ in range(NUM_DRAWS):
        times = np.bincount(
            rng.choice(who.max() + 1, who.max() + 1), minlength=who.max() + 1
        )
        weights = times[first] * np.where(pairs.same, 1, times[second])
        draws.append(difference(weights, rng.choice(len(ours), len(ours))))
    everyone = difference(np.ones(len(pairs.same)), np.arange(len(ours)))
    return everyone, np.percentile(draws, PERCENTILES, axis=0)


def arrays(
    known: dict[str, Any], num_seeds: int
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, Pairs]]:
    """Thresholds and distances [S, 1 + P] by side and set of pairs; and these sets."""
    pairs = {
        name: Pairs(np.array(own["people"]), np.array(own["same"]))
        for name, own in known["pairs"].items()
    }
    trained = {
        side: [known["trainings"][name_of(side, n)] for n in range(num_seeds)]
        for side in SIDES
    }
    sides = {
        side: {
            name: np.array([[x["threshold"], *x["distances"][name]] for x in own])
            for name in pairs
        }
        for side, own in trained.items()
    }
    return sides, pairs


def table(known: dict[str, Any], num_seeds: int) -> str:
    """A row a side, its difference from the first one at the end; and one of the sums.

    A sum is of all seeds' squared distances, which is that of their vectors one behind
    the other; its threshold is that of their thresholds.
    """
    sides, pairs = arrays(known, num_seeds)
    titles = [f"{name}: {what}" for name, what in COLUMNS]
    head = ["", *(f"{title}, by seed" for title in titles)]
    head += [f"{title}, less that of {BASELINE}" for title in titles]
    rows = []
    for side, own in sides.items():
        less = (
            [""] * len(COLUMNS)
            if side == BASELINE
            else _differences_shown(own, sides[BASELINE], pairs)
        )
        rows.append([side, *_scores_shown(own, pairs), *less])
    for side, own in sides.items():
        sums = {name: each.mean(0, keepdims=True) for name, each in own.items()}
        cells = [*_scores_shown(sums, pairs), *[""] * len(COLUMNS)]
        rows.append([f"{side}, {num_seeds} together", *cells])
    return runs.markdown(head, rows)


def _scores_shown(own: dict[str, np.ndarray], pairs: dict[str, Pairs]) -> list[str]:
    """COLUMNS of thresholds and distances [S, 1 + P] of each set of pairs, by seed."""
    cells = []
    for name, what in COLUMNS:
        each, same = own[name], pairs[name].same
        scores = measures(each[:, 1:], each[:, 0], same, np.ones(len(same)))
        cells.append(", ".join(f"{x:.3f}" for x in scores[:, MEASURES.index(what)]))
    return cells


def _differences_shown(
    ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], pairs: dict[str, Pairs]
) -> list[str]:
    """COLUMNS of one side less another's, each with its interval."""
    apart = {
        name: differences(ours[name], theirs[name], own, seed=0)
        for name, own in pairs.items()
    }
    cells = []
    for name, what in COLUMNS:
        mean, ends = apart[name]
        x, low, high = (each[MEASURES.index(what)] for each in (mean, *ends))
        cells.append(f"{x:+.3f} ({low:+.3f} to {high:+.3f})")
    return cells


def name_of(side: str, seed: int) -> str:
    """What a training is called."""
    return f"{side}, seed {seed}"


def main() -> None:
    """Those that are missing, each pair of them kept as soon as both have ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    num_seeds = parser.parse_args().seeds
    directory, about = runs.begin("lfw_recipe_seeds")
    known = {"pairs": {}, "trainings": {}}
    if RESULTS.exists():
        known = json.loads(RESULTS.read_text())
    trainings = {
        name_of(side, n): (*flags, f"--config.seed={n}")
        for n in range(num_seeds)
        for side, flags in SIDES.items()
    }
    missing = [name for name in trainings if name not in known["trainings"]]
    for start in range(0, len(missing), 2):
        pair = {name: trainings[name] for name in missing[start : start + 2]}
        for name, result in runs.train_all(directory, pair, at_once=2).items():
            known["trainings"][name], known["pairs"] = measure(result, about)
        RESULTS.write_text(json.dumps(known) + "\n")
    (HERE / "seeds.md").write_text(table(known, num_seeds))
    print((HERE / "seeds.md").read_text())


if __name__ == "__main__":
    main()
