"""What a model can do: results.json and the report, from its last checkpoint."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from cl_facenet import workdir as workdirs
from cl_facenet.build import build_model, count_steps
from cl_facenet.checkpoint import read_data, restore_variables
from cl_facenet.compiling import jit, keep_programs
from cl_facenet.config import completed
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
from cl_facenet.lock import lock
from cl_facenet.metrics import read_metrics
from cl_facenet.models.facenet import FaceNet, abstract_variables, unit_range
from cl_facenet.params import HEAD, drop_head
from cl_facenet.paths import local_path
from cl_facenet.run_config import check_run_config, read_run_config
from cl_facenet.sharding import (
    GlobalView,
    make_local_layout,
    placed,
    room_for,
    rows_sharding,
)

# From indices of records and the name of an output to its rows for them.
Run = Callable[[np.ndarray, str], np.ndarray]


def evaluate(
    config: ConfigDict | None, workdir: str | os.PathLike[str]
) -> dict[str, Any]:
    """Scores the newest checkpoint; writes results.json last, when all else is there.

    A training may go on meanwhile; another evaluation is waited for.

    Args:
      config: the run's, in which only what is this machine's may differ; it need not be
        resolved, and is not changed. None: as it is written there.

    Raises:
      InputError: no checkpoint, or data that cannot be used.
      UsageError: the config is not valid, or the workdir is another config's.
    """
    start_jax()
    workdir = local_path(workdir, "workdir")
    keep_programs()
    if config is None:
        config = read_run_config(workdir)
    else:
        config = completed(config)
        check_run_config(workdir, config)
    path = workdir / ".evaluating.lock"
    with lock(path, doing=f"evaluating {workdir}", wait=True):
        return _evaluate(config, workdir)


def _evaluate(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    records, split = build_data(config)
    check_data(read_data(workdir / "checkpoints"), records)
    published = read_curves(config.report.published_roc)
    layout = make_local_layout(config.parallel.model_axis)
    model = build_model(config, split.num_classes, layout)
    classifies = model.classifies and len(split.heldout_indices) > 0
    state, step = _restore(config, workdir, model, layout, with_head=classifies)
    run = _make_run(model, state, records, layout, len(split.train_people))
    classification = _classification(run, split) if classifies else None
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


def _restore(
    config: ConfigDict,
    workdir: Path,
    model: FaceNet,
    layout: GlobalView,
    *,
    with_head: bool,
) -> tuple[dict[str, Any], int]:
    """What is evaluated, each array where it lies in training, and the step.

    Of what grows with the people no more than is wanted: the head to classify, which is
    split as in training, and the centers that are drawn.
    """
    like = abstract_variables(model, config.data.image_size)
    if not with_head and model.classifies:
        like["params"] = drop_head(like["params"])
    number = cast(int, model.num_classes)
    centers = (number + model.spare_columns, model.embedding_size)
    like["center_state"] = {"centers": jax.ShapeDtypeStruct(centers, np.float32)}
    return restore_variables(
        workdir / "checkpoints",
        placed(layout, like),
        config,
        spare_columns=model.spare_columns,
        num_centers=min(MAX_PEOPLE, number),
    )


def _make_run(
    model: FaceNet,
    state: dict[str, Any],
    records: Records,
    layout: GlobalView,
    num_people: int,
) -> Run:
    """The network as a function of records: features, embedding or answers [n, ...]."""
    body = {"batch_stats": state["batch_stats"], "params": drop_head(state["params"])}
    head = {"params": {n: x for n, x in state["params"].items() if n == HEAD}}
    forward, answer = make_forward(model), make_answer(model, num_people, layout)
    room = room_for(layout, BATCH_SIZE)

    def run(indices: np.ndarray, name: str) -> np.ndarray:
        rows = []
        for batch in eval_batches(records, indices, batch_size=room):
            images = jax.device_put(batch["image"], rows_sharding(layout))
            outputs = forward(body, images)
            if name == "answers":
                outputs["answers"] = answer(head, outputs["features"])
            rows.append(np.asarray(outputs[name])[batch["mask"]])
        return np.concatenate(rows)

    return run


def make_forward(model: FaceNet) -> jax.stages.Wrapped:
    """(variables without a head, images [B, S, S, 3]) -> features and embedding."""

    def forward(variables: Any, images: jax.Array) -> dict[str, jax.Array]:
        features: Any = model.apply(variables, unit_range(images), method="features")
        return {"features": features, "embedding": model.normalize(features)}

    return jit(forward)


def make_answer(
    model: FaceNet, num_people: int, layout: GlobalView
) -> jax.stages.Wrapped:
    """(variables of the head, features [B, D]) -> one of the first people, int [B].

    The columns of the head stay where they are: each device answers for its own.
    """

    def answer(variables: Any, features: jax.Array) -> jax.Array:
        outputs: Any = model.apply(variables, layout.whole(features), method="outputs")
        logits_bc = outputs["logits"]
        is_one_c = jnp.arange(logits_bc.shape[-1]) < num_people
        return jnp.argmax(jnp.where(is_one_c, logits_bc, -jnp.inf), -1)

    return jit(answer)


def _classification(run: Run, split: Split) -> Classification:
    answers = run(split.heldout_indices, "answers")
    return classify(split.heldout_labels, answers, len(split.train_people))


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
        "skipped_photos": records.metadata["skipped"],
        "ignored_files": records.metadata["ignored"],
        "num_train_photos": len(split.train_indices),
        "num_heldout_photos": len(split.heldout_indices),
        "num_faceless_photos": len(records.metadata["faceless"]),
        "num_unseen_photos": len(split.unseen_indices),
        "train_people": split.train_people,
        "unseen_people": split.unseen_people,
    }
