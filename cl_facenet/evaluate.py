"""What a model can do: results.json and the report, from its last checkpoint."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from cl_facenet import workdir as workdirs
from cl_facenet.build import build_model, count_steps
from cl_facenet.checkpoint import read_data, restore_variables
from cl_facenet.compiling import jit, keep_programs
from cl_facenet.data.pipeline import eval_batches
from cl_facenet.data.records import Records
from cl_facenet.data.splits import Split
from cl_facenet.dataset import build_data, check_data
from cl_facenet.devices import start_jax
from cl_facenet.embedder import BATCH_SIZE
from cl_facenet.evaluation.calibration import calibrate_people
from cl_facenet.evaluation.classification import Classification, classify
from cl_facenet.evaluation.embedding_map import MAX_PEOPLE, EmbeddingMap
from cl_facenet.evaluation.identification import Identification, enrol, identify
from cl_facenet.evaluation.published import read_curves
from cl_facenet.evaluation.report import write_report
from cl_facenet.evaluation.verification import (
    Verification,
    squared_distances,
    verify,
)
from cl_facenet.metrics import read_metrics
from cl_facenet.models.facenet import FaceNet, abstract_variables, unit_range
from cl_facenet.paths import local_path

# From indices of records and the name of an output to its rows for them.
Run = Callable[[np.ndarray, str], np.ndarray]


def evaluate(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Scores the newest checkpoint; writes results.json last, when all else is there.

    Raises:
      InputError: no checkpoint, or data that cannot be used.
      UsageError: the workdir is another config's.
    """
    start_jax()
    workdir = local_path(workdir, "workdir")
    keep_programs()
    workdirs.check_config(workdir, config.to_dict())
    records, split = build_data(config)
    check_data(read_data(workdir / "checkpoints"), records)
    published = read_curves(config.report.published_roc)
    model = build_model(config, split.num_classes)
    like = abstract_variables(model, config.data.image_size)
    centers = jax.ShapeDtypeStruct(
        (model.num_classes, model.embedding_size), np.float32
    )
    like["center_state"] = {"centers": centers}
    state, step = restore_variables(workdir / "checkpoints", like, config)

    run = _make_run(model, state, records)
    classification = _classification(run, split) if model.classifies else None
    unseen = (
        run(split.unseen_indices, "embedding") if len(split.unseen_indices) else None
    )
    verification = (
        verify_unseen(unseen, split, seed=config.seed) if unseen is not None else None
    )
    identification = _identification(unseen, split, config.seed)
    calibration = (
        calibrate_people(
            unseen,
            split.unseen_labels,
            data=records.metadata["source"],
            seed=config.seed,
        )
        if unseen is not None
        else None
    )
    results = {
        "classification": classification and classification.summary(),
        "verification": verification and verification.summary(),
        "identification": identification and identification.summary(),
        "calibration": calibration and calibration.to_json(),
        "data": _data(records, split),
        "step": step,
        "num_steps": count_steps(config, split),
    }
    write_report(
        workdir / "report",
        title=f"{config.model.name} on {records.metadata['source']}",
        results=results,
        metrics=read_metrics(workdir / "metrics.jsonl"),
        classification=classification,
        people=split.train_people,
        verification=verification,
        published=published,
        identification=identification,
        calibration=calibration,
        photos=records.images(split.unseen_indices) if verification else None,
        embedding_map=_embedding_map(
            run, split, np.asarray(state["center_state"]["centers"]), config.center.on
        ),
    )
    workdirs.write_json(workdir / "results.json", results)
    return results


def _make_run(model: FaceNet, state: dict[str, Any], records: Records) -> Run:
    """The network as a function of records: features, embedding or logits [n, ...]."""

    @jit
    def forward(variables: Any, images: jax.Array) -> Any:
        return model.apply(variables, unit_range(images))

    variables = {name: state[name] for name in ("params", "batch_stats")}

    def run(indices: np.ndarray, name: str) -> np.ndarray:
        rows = [
            np.asarray(forward(variables, batch["image"])[name])[batch["mask"]]
            for batch in eval_batches(records, indices, batch_size=BATCH_SIZE)
        ]
        return np.concatenate(rows)

    return run


def _classification(run: Run, split: Split) -> Classification | None:
    if not len(split.heldout_indices):
        return None
    logits = run(split.heldout_indices, "logits")[:, : len(split.train_people)]
    return classify(split.heldout_labels, logits.argmax(-1), len(split.train_people))


def verify_unseen(
    embedding: np.ndarray, split: Split, *, seed: int
) -> Verification | None:
    """Verification on a split's pairs of people never trained on; None: it has none.

    Args:
      embedding: unit vectors [n, D] of the photos `split.unseen_indices`.
      seed: of the intervals.
    """
    if split.pairs is None:
        return None
    pairs = split.pairs
    return verify(
        squared_distances(embedding, pairs.rows),
        pairs.rows,
        pairs.same,
        pairs.folds,
        identities=split.unseen_labels[pairs.rows],
        seed=seed,
        protocol=pairs.protocol,
    )


def _identification(
    embedding: np.ndarray | None, split: Split, seed: int
) -> Identification | None:
    if embedding is None:
        return None
    enrolment = enrol(split.unseen_labels, seed=seed)
    protocol = "half of the people never trained on enrolled, by one photo each"
    return identify(embedding, split.unseen_labels, enrolment, protocol=protocol)


def _embedding_map(
    run: Run, split: Split, centers: np.ndarray, on: str
) -> EmbeddingMap:
    """Where the photos trained on lie around their centers, in the space of both."""
    people = split.train_people[:MAX_PEOPLE]
    shown = split.train_labels < len(people)
    return EmbeddingMap(
        embeddings=run(split.train_indices[shown], on),
        labels=split.train_labels[shown],
        centers=centers[: len(people)],
        people=people,
    )


def _data(records: Records, split: Split) -> dict[str, Any]:
    return {
        "source": records.metadata["source"],
        "preprocessing": records.metadata["preprocessing"],
        "num_skipped_photos": len(records.metadata["skipped"]),
        "num_ignored_files": len(records.metadata["ignored"]),
        "num_train_photos": len(split.train_indices),
        "num_heldout_photos": len(split.heldout_indices),
        "num_faceless_photos": len(records.metadata["faceless"]),
        "num_unseen_photos": len(split.unseen_indices),
        "train_people": split.train_people,
        "unseen_people": split.unseen_people,
    }
