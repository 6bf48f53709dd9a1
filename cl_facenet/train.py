"""The training loop."""

import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from cl_facenet import workdir as workdirs
from cl_facenet.build import (
    build_batches,
    build_model,
    build_optimizer,
    build_start,
    count_steps,
)
from cl_facenet.checkpoint import Checkpoints, is_saved
from cl_facenet.compiling import keep_programs, release_memory
from cl_facenet.data.records import Records
from cl_facenet.data.sampling import describe_sampling
from cl_facenet.data.splits import Split
from cl_facenet.dataset import build_data, check_data, data_identity
from cl_facenet.evaluate import evaluate, read_published
from cl_facenet.metrics import MetricsLog
from cl_facenet.preemption import noticing_preemption
from cl_facenet.progress import Progress
from cl_facenet.warm_start import warm_start


def train(config: ConfigDict, workdir: Path) -> dict[str, Any] | None:
    """Trains in `workdir` from its newest checkpoint on, evaluates, returns results.

    None, if SIGTERM has come before the end: the state is saved, and the same call goes
    on from there.

    Raises:
      InputError: unusable data, or a loss that is not finite.
      UsageError: the workdir is another config's.
    """
    if workdirs.is_run(workdir):
        workdirs.check_config(workdir, config.to_dict())
        results = workdirs.read_results(workdir)
        if results is not None and results["step"] == results["num_steps"]:
            print(f"{workdir} is finished: nothing to train", file=sys.stderr)
            return results

    keep_programs()
    records, split = build_data(config)
    num_steps = count_steps(config, split)
    model = build_model(config, len(split.train_people))
    tx, learning_rates = build_optimizer(
        config, num_photos=len(split.train_indices), num_steps=num_steps
    )
    state, train_step = build_start(config, model, tx)
    began_from: list[str] = []
    if config.init_from and not is_saved(workdir / "checkpoints"):
        state, report = warm_start(
            state,
            Path(config.init_from).expanduser(),
            model=config.model,
            data=data_identity(records),
            unseen=split.unseen_people,
        )
        began_from.append(report)
    batches = build_batches(config, records, split)
    read_published(config)  # what would be refused at the end is refused now
    counts = np.bincount(split.train_labels).tolist()
    people = dict(zip(split.train_people, counts, strict=True))
    # Not before all of the above is right.
    workdirs.claim(workdir, config.to_dict(), people)
    with closing(Checkpoints(workdir / "checkpoints")) as checkpoints:
        unwritten: list[dict[str, float]] = []
        if (saved := checkpoints.restore(like=state)) is not None:
            state, trained_on = saved
            check_data(trained_on, records)
            batches.set_state(trained_on["position"])
            unwritten = trained_on["unwritten_metrics"]
        start = int(state.step)
        heading = _heading(config, records, split, start, num_steps)
        print(heading, *began_from, sep="\n", file=sys.stderr)
        log = MetricsLog(
            workdir / "metrics.jsonl",
            start_step=start,
            num_steps=num_steps,
            every_steps=config.log_every_steps,
            batch_size=config.batch_size,
            unwritten=unwritten,
        )
        progress = Progress(start, num_steps, config.batch_size)
        with (
            closing(log),
            closing(progress),
            closing(batches),
            noticing_preemption() as preemption,
        ):
            for step in range(start + 1, num_steps + 1):
                with log.waiting_for_data():
                    batch = next(batches)
                state, metrics = train_step(state, batch)
                if step == start + 1:
                    release_memory()
                log.add(step, metrics, learning_rate=learning_rates[step - 1])
                progress.show(step, log.latest)
                stopping = preemption.requested  # read once: it may come at any time
                due = step % config.checkpoint_every_steps == 0 or step == num_steps
                if due or stopping:
                    log.flush()  # a loss that is not finite must not be kept
                    data = data_identity(records) | {
                        "position": batches.get_state(),
                        "unwritten_metrics": log.unwritten,
                    }
                    checkpoints.save(step, state, data)
                if stopping and step < num_steps:
                    stopped = f"stopped by SIGTERM at step {step} of {num_steps}"
                    print(f"{stopped}; the same command goes on", file=sys.stderr)
                    return None
    return evaluate(config, workdir)


def _heading(
    config: ConfigDict, records: Records, split: Split, start: int, num_steps: int
) -> str:
    photos = f"{len(split.train_indices)} photos of {len(split.train_people)} people"
    for kind in ("skipped", "ignored"):
        if records.metadata[kind]:
            photos += f" ({len(records.metadata[kind])} files {kind})"
    sampling = describe_sampling(
        split.train_labels,
        batch_size=config.batch_size,
        photos_per_person=config.data.photos_per_person,
    )
    return (
        f"{photos} from {records.metadata['source']}; steps {start} to {num_steps} on "
        f"{jax.device_count()} x {jax.devices()[0].device_kind}, jax {jax.__version__}"
        f"\n{sampling}"
    )
