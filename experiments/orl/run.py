"""ORL, three seeds, with center loss and without: python -m experiments.orl.run"""

from pathlib import Path

from experiments import runs

HERE = Path(__file__).parent
SEEDS = (0, 1, 2)
VARIANTS = {
    "softmax + center loss": (),
    "softmax alone": ("--config.center.weight=0.0",),
}
TRAININGS = {
    f"{variant} {seed}": ("--config=configs/nn4.py", f"--config.seed={seed}", *flags)
    for variant, flags in VARIANTS.items()
    for seed in SEEDS
}
COLUMNS = {
    "held-out accuracy": ("classification", "accuracy"),
    "AUC": ("verification", "auc"),
    "equal error rate": ("verification", "eer"),
    "10-fold accuracy": ("verification", "accuracy_mean"),
}


def main() -> None:
    """All runs, then the files beside this one."""
    directory, about = runs.begin("orl")
    results = runs.train_all(directory, TRAININGS)
    rows = []
    for variant in VARIANTS:
        own = [results[f"{variant} {seed}"] for seed in SEEDS]
        cells = [
            runs.with_range([r[part][key] for r in own])
            for part, key in COLUMNS.values()
        ]
        rows.append([variant, *cells])
    runs.write(HERE, about, results, runs.markdown(["", *COLUMNS], rows))
    runs.keep_report(HERE, results["softmax + center loss 0"])


if __name__ == "__main__":
    main()
