"""Six ways to teach identities, one budget: python -m experiments.losses.run [orl|lfw]

The budget is 15 minutes of a core of an AMD EPYC, start and evaluation included: some
19,200 photos. Two trainings run at a time, a core each. LFW must be prepared (README).
"""

import sys
from pathlib import Path

from experiments import runs

HERE = Path(__file__).parent
# Batches are of 32 photos: shuffled, or for triplets of 8 people with 4 photos each.
TRIPLETS = ("--config.data.photos_per_person=4", "--config.center.weight=0.0")
ALONE = ("--config.center.weight=0.0",)
PUBLISHED_SCALE = ("--config.model.logit_scale=64.0",)
VARIANTS = {
    "softmax + center loss": (),
    "softmax": ALONE,
    "triplet, semi-hard": ("--config.loss.name=triplet_semi_hard", *TRIPLETS),
    "triplet, any violator": ("--config.loss.name=triplet_any_violator", *TRIPLETS),
    "ArcFace": ("--config.loss.name=arcface", *PUBLISHED_SCALE, *ALONE),
    "CosFace": ("--config.loss.name=cosface", *PUBLISHED_SCALE, *ALONE),
}
DATA = {
    "orl": ("--config=configs/nn4.py", "--config.num_epochs=80"),
    "lfw": (
        "--config=configs/nn4.py:lfw",
        "--config.data.align=dlib",
        "--config.num_epochs=3",
        "--config.optimizer.warmup_epochs=0.3",
    ),
}
TRAININGS = {
    data: {name: (*flags, *own) for name, own in VARIANTS.items()}
    for data, flags in DATA.items()
}


def main() -> None:
    """All runs on one of DATA, then the files beside this one."""
    data = sys.argv[1] if len(sys.argv) > 1 else "lfw"
    directory, about = runs.begin(f"losses_{data}")
    results = runs.train_all(directory, TRAININGS[data], at_once=2)
    rows = [
        [
            name,
            *runs.verification_cells(r),
            f"{r['photos_per_second']:.1f}",
            f"{r['minutes']:.1f}",
        ]
        for name, r in results.items()
    ]
    head = ["", *runs.VERIFICATION, "photos/s", "minutes"]
    here = HERE / data
    here.mkdir(exist_ok=True)
    runs.write(here, about, results, runs.markdown(head, rows))


if __name__ == "__main__":
    main()
