"""metrics.jsonl: an object a line, means over the steps since the line before."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, TextIO

import jax
import numpy as np

from cl_facenet.collapse import collapse_warning
from cl_facenet.errors import InputError
from cl_facenet.processes import say
from cl_facenet.whole_files import write_whole


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics.jsonl, in their order.

    Lines that a crash has cut short or a disk has damaged are left out; it says how
    many they are.
    """
    content = path.read_bytes() if path.exists() else b""
    # A power cut leaves zeros, behind which the next line may follow at once.
    lines = [line for line in content.replace(b"\0", b"").split(b"\n") if line.strip()]
    rows = [row for line in lines if (row := _row(line)) is not None]
    if len(rows) < len(lines):
        damaged = len(lines) - len(rows)
        say(f"{path}: {damaged} of {len(lines)} lines are damaged and left out")
    return rows


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_row = isinstance(row, dict) and isinstance(row.get("step"), int)
    return row if is_row else None


# What has to be finite, in the order in which a step computes it: what is named first
# is where it began.
TERMS = ("identity_loss", "center_loss", "loss", "gradient_norm", "parameter_norm")


class MetricsLog:
    """Fetches a step's metrics while the next step runs, and writes their means.

    Beside them it writes what the wall clock says of the time since the line before:
    photos a second, and the share of it spent waiting for data. The first line's time
    has the compilation in it.

    Without a path it writes nothing. Going on at `start_step`, rows of later steps are
    dropped from the file: the steps they are of will be done again.

    Attributes:
      latest: the metrics of the last step that is known.
      unwritten: those of the steps since the last line, for whoever goes on from here.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        start_step: int,
        num_steps: int,
        every_steps: int,
        batch_size: int,
        unwritten: Sequence[dict[str, float]] = (),
        max_bad_steps: int = 0,
    ) -> None:
        self._every, self._last, self._batch_size = every_steps, num_steps, batch_size
        self._pending: tuple[int, dict[str, Any]] | None = None
        self.unwritten = list(unwritten)
        self._waited, self._since = 0.0, perf_counter()
        self._max_bad_steps, self._bad_steps = max_bad_steps, 0
        self._has_warned = False  # of a collapse
        self.latest: dict[str, float] = {}
        self._file: TextIO | None = None
        if path is not None:
            kept = [row for row in read_metrics(path) if row["step"] <= start_step]
            write_whole(path, "".join(json.dumps(row) + "\n" for row in kept).encode())
            self._file = path.open("a")

    def close(self) -> None:
        """Closes the file; what is pending is of an interval that did not end."""
        if self._file is not None:
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
          InputError: a loss or a norm is not finite, for more than `max_bad_steps` in a
            row; all such are named.
        """
        if self._pending is None:
            return
        (step, arrays), self._pending = self._pending, None
        self.latest = {name: float(x) for name, x in jax.device_get(arrays).items()}
        self._check_finite(step)
        self.unwritten.append(self.latest)
        if step % self._every == 0 or step == self._last:
            self._write(step)

    def _write(self, step: int) -> None:
        now = perf_counter()
        elapsed = now - self._since
        row: dict[str, float] = {"step": step}
        for name in self.unwritten[0]:
            values = np.array([r[name] for r in self.unwritten])
            finite = values[np.isfinite(values)]
            if finite.size:  # a ratio may be undefined in every batch
                row[f"train/{name}"] = float(finite.mean())
        row["train/photos_per_second"] = (
            len(self.unwritten) * self._batch_size / elapsed
        )
        row["train/data_wait_share"] = self._waited / elapsed
        if self._file is not None:
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
        self.unwritten, self._waited, self._since = [], 0.0, now
        warning = collapse_warning(row, self._last)
        if warning and not self._has_warned:
            say(warning)
        self._has_warned = self._has_warned or warning is not None

    def _check_finite(self, step: int) -> None:
        """Warns of a bad step, or ends the training at one too many in a row."""
        bad = [
            f"{name} {self.latest[name]}"
            for name in TERMS
            if not math.isfinite(self.latest.get(name, 0.0))
        ]
        self._bad_steps = self._bad_steps + 1 if bad else 0
        if not bad:
            return
        says = f"not finite at step {step}: {', '.join(bad)}"
        if self._bad_steps > self._max_bad_steps:
            raise InputError(
                f"{says}; training stopped, the last good checkpoint is kept: lower "
                "optimizer.learning_rate or center.weight"
            )
        say(f"{says}; the step is left out")
