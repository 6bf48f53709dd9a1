"""The training loop."""

import os
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import grain
import jax
import numpy as np
from ml_collections import ConfigDict

from cl_facenet import workdir as workdirs
from cl_facenet.build import (
    build_batches,
    build_layout,
    build_model,
    build_optimizer,
    build_start,
    count_steps,
)
from cl_facenet.checkpoint import Checkpoints, is_saved
from cl_facenet.compiling import keep_programs, release_memory
from cl_facenet.config import completed
from cl_facenet.data.names import say_some
from cl_facenet.data.pipeline import Batch
from cl_facenet.data.records import Records
from cl_facenet.data.sampling import describe_sampling
from cl_facenet.data.splits import Split
from cl_facenet.dataset import build_data, check_data, data_identity
from cl_facenet.devices import check_single_precision, start_jax
from cl_facenet.errors import printable
from cl_facenet.evaluation.published import read_curves
from cl_facenet.metrics import MetricsLog
from cl_facenet.paths import local_path
from cl_facenet.preemption import noticing_preemption
from cl_facenet.processes import (
    first_alone,
    is_first,
    of_first,
    say,
    wait_for_all,
)
from cl_facenet.progress import Progress
from cl_facenet.run_config import check_run_config
from cl_facenet.state import TrainState, TrainStep
from cl_facenet.warm_start import warm_start


class Loop(NamedTuple):
    """What the steps of a training go through."""

    step: TrainStep
    batches: grain.DatasetIterator[Batch]
    learning_rates: np.ndarray  # of every step
    log: MetricsLog
    checkpoints: Checkpoints

    def run(
        self, config: ConfigDict, state: TrainState, identity: dict[str, Any]
    ) -> bool:
        """Trains to the last step; False if asked to end before it.

        Args:
          identity: what says which photos are trained on; it is saved beside a state.
        """
        start, num_steps = int(state.step), len(self.learning_rates)
        bar = Progress(start, num_steps, config.batch_size, shown=is_first())
        with closing(self.log), closing(bar), noticing_preemption() as is_asked_to_end:
            for step in range(start + 1, num_steps + 1):
                with self.log.waiting_for_data():
                    batch = next(self.batches)
                state, metrics = self.step(state, batch)
                if step == start + 1:
                    release_memory()
                rate = self.learning_rates[step - 1]
                self.log.add(step, metrics, learning_rate=rate)
                bar.show(step, self.log.latest)
                stopping = is_asked_to_end(step)  # read once: it may come at any time
                due = step % config.checkpoint_every_steps == 0 or step == num_steps
                if due or stopping:
                    self.save(step, state, identity)
                if stopping and step < num_steps:
                    stopped = f"stopped by SIGTERM at step {step} of {num_steps}"
                    say(f"{stopped}; the same command goes on")
                    return False
        return True

    def save(self, step: int, state: TrainState, identity: dict[str, Any]) -> None:
        """Saves all that the same command needs to go on from here."""
        self.log.flush()  # a loss that is not finite must not be kept
        data = identity | {
            "position": self.batches.get_state(),
            "unwritten_metrics": list(self.log.unwritten),  # it goes on growing
        }
        self.checkpoints.save(step, state, data)


def train(
    config: ConfigDict, workdir: str | os.PathLike[str], *, as_is: bool = False
) -> dict[str, Any] | None:
    """Trains in `workdir` from its newest checkpoint on, evaluates, returns results.

    None, if SIGTERM has come before the end: the state is saved, and the same call goes
    on from there. Of several processes the first alone evaluates; None to the others.

    Args:
      config: it need not be resolved, and is not changed.
      as_is: nothing of this package is replaced in the running program, so that its
        step may be one that another process has traced (`kept_traces`).

    Raises:
      InputError: unusable data, a workdir that cannot be or that another training is
        in, or a loss that is not finite.
      UsageError: the config is not valid, or the workdir is another config's; or JAX
        does not start, or in 64 bits.
    """
    start_jax()
    check_single_precision()
    config, workdir = completed(config), local_path(workdir, "workdir")
    keep_programs()
    with ExitStack() as alone:
        is_new = not of_first(workdirs.is_run(workdir))
        if not is_new:
            check_run_config(workdir, config)
            results = workdirs.read_results(workdir)
            if results is not None and results["step"] == results["num_steps"]:
                say(f"{workdir} is finished: nothing to train")
                return results
        workdirs.check_writable(workdir)
        if not is_new:
            alone.enter_context(workdirs.only_training(workdir))
        is_done = _train(config, workdir, as_is, alone if is_new else None)
        if not is_done or not is_first():
            return None
        # Imported here: what draws and measures is a second that a start need not wait
        # for.
        from cl_facenet.evaluate import evaluate

        return evaluate(config, workdir)


def _train(
    config: ConfigDict, workdir: Path, as_is: bool, new: ExitStack | None
) -> bool:
    """Trains to the last step; False if asked to end before it.

    Args:
      new: of a new run, whose workdir is not made before all is known to be right: what
        is to keep others out of it from then on.
    """
    read_curves(config.report.published_roc)  # refused now rather than at the end
    with first_alone("data"):
        records, split = build_data(config)
    layout = build_layout(config)
    model = build_model(config, split.num_classes, layout)
    tx, learning_rates = build_optimizer(
        config,
        num_photos=split.photos_an_epoch,
        num_steps=count_steps(config, split),
    )
    kept_for = learning_rates if as_is else None
    start = build_start(config, model, tx, layout, kept_for=kept_for)
    state, began_from = _begin(config, workdir, start.state, records, split)
    batches = build_batches(config, records, split, layout)
    wait_for_all("checked")
    if new is not None:
        new.enter_context(workdirs.only_training(workdir))
        if is_first() and workdirs.is_run(workdir):  # another's, meanwhile
            check_run_config(workdir, config)
        elif is_first():
            workdirs.claim(workdir, config.to_dict(), split.count_photos())
        wait_for_all("claimed")
    checkpoints = Checkpoints(workdir / "checkpoints", model.spare_columns)
    with closing(checkpoints), closing(batches):
        unwritten: list[dict[str, float]] = []
        if (saved := checkpoints.restore(like=state)) is not None:
            state, trained_on = saved
            check_data(trained_on, records)
            batches.set_state(trained_on["position"])
            unwritten = trained_on["unwritten_metrics"]
        heading = _heading(config, records, split, int(state.step), len(learning_rates))
        say(heading, start.memory, *began_from)
        log = MetricsLog(
            workdir / "metrics.jsonl" if is_first() else None,
            start_step=int(state.step),
            num_steps=len(learning_rates),
            every_steps=config.log_every_steps,
            batch_size=config.batch_size,
            unwritten=unwritten,
            max_bad_steps=config.max_bad_steps,
        )
        loop = Loop(start.step, batches, learning_rates, log, checkpoints)
        return loop.run(config, state, data_identity(records))


def _begin(
    config: ConfigDict, workdir: Path, state: TrainState, records: Records, split: Split
) -> tuple[TrainState, list[str]]:
    """The state of a new run, and a line on what it begins from, if on anything."""
    if not config.init_from or of_first(is_saved(workdir / "checkpoints")):
        return state, []
    state, report = warm_start(
        state,
        config.init_from,
        model=config.model,
        data=data_identity(records),
        unseen=split.unseen_people,
    )
    return state, [report]


def _heading(
    config: ConfigDict, records: Records, split: Split, start: int, num_steps: int
) -> str:
    photos = f"{len(split.train_indices)} photos of {len(split.train_people)} people"
    for kind, what in (("skipped", "unreadable"), ("ignored", "passed over")):
        if names := records.metadata[kind]:
            photos += f" ({len(names)} {what}: {printable(say_some(names, 3))})"
    if split.composites:
        made = split.composites
        photos += f" and {len(made)} of {made.num_people} made of two"
    sampling = describe_sampling(
        split.train_labels,
        batch_size=config.batch_size,
        photos_per_person=config.data.photos_per_person,
    )
    processes = jax.process_count()
    where = f"{jax.device_count()} x {jax.devices()[0].device_kind}"
    if processes > 1:
        where += f" in {processes} processes"
    return (
        f"{photos} from {records.metadata['source']}; steps {start} to {num_steps} on "
        f"{where}, jax {jax.__version__}\n{_recipe(config)}\n{sampling}"
    )


def _recipe(config: ConfigDict) -> str:
    """The choices, with their numbers: the given ones, and those that they brought."""
    loss, center, optimizer = config.loss, config.center, config.optimizer
    chosen = {
        loss.name: {"margin": loss.margin, "scale": config.model.logit_scale},
        f"center loss of {center.rule}": {
            "lambda": center.weight,
            "alpha": center.alpha,
        },
        optimizer.name: {
            "rate": optimizer.learning_rate,
            "decay": optimizer.weight_decay,
            "momentum": optimizer.momentum,
            "epsilon": optimizer.epsilon,
        },
    }
    return "; ".join(
        ", ".join([name, *(f"{k} {x:g}" for k, x in numbers.items() if x is not None)])
        for name, numbers in chosen.items()
    )
