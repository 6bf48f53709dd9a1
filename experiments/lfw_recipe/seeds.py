"""Does center loss help? The same training with and without it, by several seeds.

python -m experiments.lfw_recipe.seeds [--seeds=3]

Trains those that seeds.json does not have, two beside each other, each on a core of its
own, and writes seeds.json and seeds.md. LFW must be prepared (README).
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
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
# Columns: of which pairs, and which of MEASURES. The best threshold of the people to
# tune on is taken for both, so that their own accuracy would be flattered.
COLUMNS = {
    "view 1: accuracy": ("view 1", 0),
    "view 1: AUC": ("view 1", 1),
    "tune: AUC": ("tune", 1),
}


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
    vectors, labels = vectors_of(embedder, exam, mirrored=False), exam.records.labels
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


def table(known: dict[str, Any], num_seeds: int) -> str:
    """A row a side, its difference from the first one at the end; and one of the sums.

    A sum is of all seeds' squared distances, which is that of their vectors one behind
    the other; its threshold is that of their thresholds.
    """
    pairs = {
        name: Pairs(np.array(own["people"]), np.array(own["same"]))
        for name, own in known["pairs"].items()
    }
    trained = {
        side: [known["trainings"][name_of(side, n)] for n in range(num_seeds)]
        for side in SIDES
    }
    arrays = {
        (side, name): np.array([[x["threshold"], *x["distances"][name]] for x in own])
        for side, own in trained.items()
        for name in pairs
    }
    apart = {
        (side, name): differences(
            arrays[side, name], arrays[BASELINE, name], pairs[name], seed=0
        )
        for side in OTHERS
        for name in pairs
    }

    def cells(side: str, together: bool) -> Iterator[str]:
        for name, which in COLUMNS.values():
            own, same = arrays[side, name], pairs[name].same
            if together:
                own = own.mean(0, keepdims=True)
            each = measures(own[:, 1:], own[:, 0], same, np.ones(len(same)))[:, which]
            yield ", ".join(f"{x:.3f}" for x in each)
        for name, which in COLUMNS.values():
            if together or side == BASELINE:
                yield ""
                continue
            mean, (low, high) = apart[side, name]
            yield f"{mean[which]:+.3f} ({low[which]:+.3f} to {high[which]:+.3f})"

    head = [f"{column}, by seed" for column in COLUMNS]
    head += [f"{column}, less that of {BASELINE}" for column in COLUMNS]
    rows = [[side, *cells(side, together=False)] for side in SIDES]
    rows += [
        [f"{side}, {num_seeds} together", *cells(side, together=True)] for side in SIDES
    ]
    return runs.markdown(["", *head], rows)


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
