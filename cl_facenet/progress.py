"""Progress bars on standard error: of training with its loss terms, and plain ones."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import rich.progress
from rich.console import Console

Item = TypeVar("Item")


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
    """A bar over the steps of a run; without a terminal, only its last state."""

    def __init__(
        self, start_step: int, num_steps: int, batch_size: int, *, shown: bool = True
    ) -> None:
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("step {task.completed}/{task.total}"),
            rich.progress.BarColumn(),
            rich.progress.TextColumn("{task.fields[terms]}"),
            PhotosPerSecond(batch_size),
            rich.progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not shown,
        )
        self._task = self._bar.add_task(
            "train", total=num_steps, completed=start_step, terms=""
        )
        self._bar.start()

    def close(self) -> None:
        """Leaves the bar as it stands."""
        self._bar.stop()

    def show(self, step: int, metrics: Mapping[str, float]) -> None:
        """Moves the bar to `step`, with the terms of the last step that is known."""
        terms = "  ".join(
            f"{name.removesuffix('_loss')} {value:.3f}"
            for name, value in metrics.items()
            if name.endswith("_loss")
        )
        self._bar.update(self._task, completed=step, terms=terms)


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
