"""Progress bars on standard error: of training with its loss terms, and plain ones."""

import time
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import rich.progress
from rich.console import Console

Item = TypeVar("Item")

REDRAWN_EVERY = 0.1  # seconds, in a notebook


class PhotosPerSecond(rich.progress.ProgressColumn):
    """Speed over the last half minute, in photos."""

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self._batch_size = batch_size

    def render(self, task: rich.progress.Task) -> str:
        """The cell of a task."""
        speed = task.finished_speed or task.speed
        return "" if speed is None else f"{speed * self._batch_size:.0f} photos/s"


class Progress:
    """A bar over the steps of a run, in a terminal or below a notebook's cell.

    Where there is neither, only its last state is printed.
    """

    def __init__(
        self, start_step: int, num_steps: int, batch_size: int, *, shown: bool = True
    ) -> None:
        console = Console(stderr=True)
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("step {task.completed}/{task.total}"),
            rich.progress.BarColumn(),
            rich.progress.TextColumn("{task.fields[terms]}"),
            PhotosPerSecond(batch_size),
            rich.progress.TimeRemainingColumn(),
            console=console,
            disable=not shown,
        )
        self._task = self._bar.add_task(
            "train", total=num_steps, completed=start_step, terms=""
        )
        self._cell: Any = None
        self._redrawn = 0.0
        if not console.is_jupyter:
            self._bar.start()
        elif shown:
            # Rich's own way to live bars in notebooks needs ipywidgets, whose state no
            # other viewer shows.
            from IPython.display import display

            self._cell = display(self._bar, display_id=True)

    def close(self) -> None:
        """Leaves the bar as it stands."""
        self._bar.stop()
        if self._cell is not None:
            self._cell.update(self._bar)

    def show(self, step: int, metrics: Mapping[str, float]) -> None:
        """Moves the bar to `step`, with the terms of the last step that is known."""
        terms = "  ".join(
            f"{name.removesuffix('_loss')} {value:.3f}"
            for name, value in metrics.items()
            if name.endswith("_loss")
        )
        self._bar.update(self._task, completed=step, terms=terms)
        now = time.monotonic()
        if self._cell is not None and now - self._redrawn > REDRAWN_EVERY:
            self._redrawn = now
            self._cell.update(self._bar)


def bar(items: Iterable[Item], title: str, total: int) -> Iterable[Item]:
    """The items, with a bar that is gone when they are through; no terminal, no bar."""
    console = Console(stderr=True)
    return rich.progress.track(
        items,
        title,
        total=total,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
