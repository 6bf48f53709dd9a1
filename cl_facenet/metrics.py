"""metrics.jsonl: an object a line, means over the steps since the line before."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import jax
import numpy as np

from cl_facenet.errors import InputError
from cl_facenet.whole_files import write_whole


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics.jsonl, without one that a crash cut short."""
    rows = []
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                break
    return rows


class MetricsLog:
    """Fetches a step's metrics while the next step runs, and writes their means.

    Beside them it writes what the wall clock says of the time since the line before:
    photos a second, and the share of it spent waiting for data. The first line's time
    has the compilation in it.

    Going on at `start_step`, rows of later steps are dropped from the file: the steps
    they are of will be done again.

    Attributes:
      latest: the metrics of the last step that is known.
      unwritten: those of the steps since the last line, for whoever goes on from here.
    """

    def __init__(
        self,
        path: Path,
        *,
        start_step: int,
        num_steps: int,
        every_steps: int,
        batch_size: int,
        unwritten: Sequence[dict[str, float]] = (),
    ) -> None:
        self._every, self._last, self._batch_size = every_steps, num_steps, batch_size
        self._pending: tuple[int, dict[str, Any]] | None = None
        self.unwritten, self._steps = list(unwritten), 0
        self._waited, self._since = 0.0, perf_counter()
        self.latest: dict[str, float] = {}
        kept = [row for row in read_metrics(path) if row["step"] <= start_step]
        write_whole(path, "".join(json.dumps(row) + "\n" for row in kept).encode())
        self._file = path.open("a")

    def close(self) -> None:
        """Closes the file; what is pending is of an interval that did not end."""
        self._file.close()

    @contextmanager
    def waiting_for_data(self) -> Iterator[None]:
        """Counts the time spent inside as waiting for data."""
        began = perf_counter()
        yield
        self._waited += perf_counter() - began

    def add(self, step: int, metrics: Mapping[str, Any], **known: float) -> None:
        """Takes a step's metrics, still being computed; fetches those of the last.

        `known` are numbers on the host that go beside them, the learning rate say.
        """
        self.flush()
        self._pending = (step, {**metrics, **known})

    def flush(self) -> None:
        """Waits for the metrics given last.

        Raises:
          InputError: a loss or a norm is not finite; all such are named.
        """
        if self._pending is None:
            return
        (step, arrays), self._pending = self._pending, None
        self.latest = {name: float(x) for name, x in jax.device_get(arrays).items()}
        _check_finite(step, self.latest)
        self.unwritten.append(self.latest)
        self._steps += 1
        if step % self._every == 0 or step == self._last:
            self._write(step)

    def _write(self, step: int) -> None:
        now = perf_counter()
        elapsed = now - self._since
        row: dict[str, float] = {"step": step}
        for name in self.unwritten[0]:
            values = np.array([r[name] for r in self.unwritten])
            if np.isfinite(values).any():  # a ratio may be undefined in every batch
                row[f"train/{name}"] = float(np.nanmean(values))
        row["train/photos_per_second"] = (
            len(self.unwritten) * self._batch_size / elapsed
        )
        row["train/data_wait_share"] = self._waited / elapsed
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()
        self.unwritten, self._steps, self._waited, self._since = [], 0, 0.0, now


def _check_finite(step: int, metrics: Mapping[str, float]) -> None:
    checked = {k: x for k, x in metrics.items() if k.endswith(("loss", "norm"))}
    bad = [f"{name} {x}" for name, x in checked.items() if not math.isfinite(x)]
    if bad:
        raise InputError(
            f"not finite at step {step}: {', '.join(bad)}; training stopped, the last "
            "good checkpoint is kept: lower optimizer.learning_rate or center.weight"
        )
