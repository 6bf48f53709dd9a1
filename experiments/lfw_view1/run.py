"""LFW view 1 with center loss and without, next to eigenfaces and chance.

python -m experiments.lfw_view1.run

LFW must be prepared (README).
"""

from pathlib import Path
from typing import Any

from cl_facenet.data.lfw_splits import lfw_split
from cl_facenet.dataset import open_lfw
from cl_facenet.evaluation.verification import squared_distances, verify
from cl_facenet.user_cache import default_cache_dir
from experiments import runs
from experiments.eigenfaces import eigenfaces

HERE = Path(__file__).parent
CONFIG = "--config=configs/nn4.py:lfw"
TRAININGS = {
    "softmax + center loss": (CONFIG,),
    "softmax alone": (CONFIG, "--config.center.weight=0.0"),
}


def principal_components() -> dict[str, Any]:
    """Eigenfaces of the photos of the people that the networks are trained on."""
    records = open_lfw(default_cache_dir(), "dlib", 96)
    split = lfw_split(
        records, "view1", heldout_share=0.1, min_photos=2, max_photos=0, seed=0
    )

    vectors = eigenfaces(records, split.train_indices)(split.unseen_indices)
    pairs = split.pairs
    verification = verify(
        squared_distances(vectors, pairs.rows),
        pairs.rows,
        pairs.same,
        pairs.folds,
        identities=split.unseen_labels[pairs.rows],
        seed=0,
        protocol=pairs.protocol,
    )
    return {"verification": verification.summary()}


def main() -> None:
    """Both trainings, then the files beside this one."""
    directory, about = runs.begin("lfw_view1")
    results = runs.train_all(directory, TRAININGS)
    runs.keep_report(HERE, results["softmax + center loss"])
    results["eigenfaces"] = principal_components()
    rows = [[name, *runs.verification_cells(r)] for name, r in results.items()]
    rows.append(["chance", "0.5", "0.5", "0.5"])
    runs.write(HERE, about, results, runs.markdown(["", *runs.VERIFICATION], rows))


if __name__ == "__main__":
    main()
