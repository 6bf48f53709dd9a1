"""What a model can do: results.json and the report, from its last checkpoint."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from cl_facenet import workdir as workdirs
from cl_facenet.build import build_data, build_model, check_data, count_steps
from cl_facenet.checkpoint import read_data, restore_parts
from cl_facenet.data.pipeline import eval_batches
from cl_facenet.data.records import Records
from cl_facenet.data.splits import Split
from cl_facenet.embedder import BATCH_SIZE
from cl_facenet.evaluation.classification import Classification, classify
from cl_facenet.evaluation.figures import MAX_MAP_PEOPLE, EmbeddingMap
from cl_facenet.evaluation.report import write_report
from cl_facenet.evaluation.verification import (
    Verification,
    all_pairs,
    assign_folds,
    squared_distances,
    verify,
)
from cl_facenet.metrics import read_metrics
from cl_facenet.models.facenet import FaceNet, abstract_variables, unit_range

# From indices of records and the name of an output to its rows for them.
Run = Callable[[np.ndarray, str], np.ndarray]


def evaluate(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Scores the newest checkpoint; writes results.json last, when all else is there.

    Raises:
      InputError: no checkpoint, or data that cannot be used.
      UsageError: the workdir is another config's.
    """
    workdirs.check_config(workdir, config.to_dict())
    records, split = build_data(config)
    check_data(read_data(workdir / "checkpoints"), records)
    model = build_model(config, len(split.train_people))
    like = abstract_variables(model, config.data.image_size)
    like["centers"] = jax.ShapeDtypeStruct(
        (model.num_classes, model.embedding_size), np.float32
    )
    state, step = restore_parts(workdir / "checkpoints", like)

    run = _make_run(model, state, records)
    classification = _classification(run, split)
    verification = _verification(run, split, config.seed)
    results = {
        "classification": classification and classification.summary(),
        "verification": verification and verification.summary(),
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
        photos=records.images(split.verification_indices) if verification else None,
        embedding_map=_embedding_map(
            run, split, np.asarray(state["centers"]), config.center.on
        ),
    )
    workdirs.write_json(workdir / "results.json", results)
    return results


def _make_run(model: FaceNet, state: dict[str, Any], records: Records) -> Run:
    """The network as a function of records: features, embedding or logits [n, ...]."""

    @jax.jit
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
    logits = run(split.heldout_indices, "logits")
    return classify(split.heldout_labels, logits.argmax(-1), len(split.train_people))


def _verification(run: Run, split: Split, seed: int) -> Verification | None:
    if not len(split.verification_indices):
        return None
    embedding = run(split.verification_indices, "embedding")
    pairs, same = all_pairs(split.verification_labels)
    return verify(
        squared_distances(embedding, pairs),
        pairs,
        same,
        assign_folds(same, seed=seed),
        num_people=len(split.verification_people),
        protocol="all pairs of people never trained on, 10 folds",
    )


def _embedding_map(
    run: Run, split: Split, centers: np.ndarray, on: str
) -> EmbeddingMap:
    """Where the photos trained on lie around their centers, in the space of both."""
    people = split.train_people[:MAX_MAP_PEOPLE]
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
        "num_verification_photos": len(split.verification_indices),
        "train_people": split.train_people,
        "verification_people": split.verification_people,
    }
