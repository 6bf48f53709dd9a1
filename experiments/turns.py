"""Sides of a comparison, each a process of its own, that take turns.

This is the standard library's alone: a side that has no JAX gets none by it.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

Act = Callable[[], object]  # does it once, and waits for the end
Answer = dict[str, Any]


class Worker:
    """A process that does one side's task when asked to.

    Attributes:
      start_seconds: from its start until it had done that once.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Starts Python with this command line: a module that ends in `serve`."""
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        self.answer()
        self.start_seconds = time.perf_counter() - started

    def answer(self) -> Answer:
        """The next line that it says."""
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a worker ended early; what it said is above")
        return json.loads(line)

    def ask(self, what: int | str) -> Answer:
        """Seconds of so many times and the most memory during them; or a question."""
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        """Ends it."""
        self.process.stdin.close()
        self.process.wait()


def take_turns(
    workers: Mapping[str, Worker], rounds: int, steps: int
) -> dict[str, dict[str, Any]]:
    """What each side did, `steps` times in every round: its rounds, median and peak."""
    answers: dict[str, list[Answer]] = {side: [] for side in workers}
    for _ in range(rounds):
        for side, worker in workers.items():
            answers[side].append(worker.ask(steps))
    return {
        side: {
            "rounds": [own["seconds"] for own in given],
            "seconds": statistics.median(
                statistics.median(own["seconds"]) for own in given
            ),
            "peak_bytes": max(own["memory"] for own in given),
        }
        for side, given in answers.items()
    }


def in_milliseconds(measured: Mapping[str, Any], spec: str) -> str:
    """What `take_turns` measured of a side: the median, and its rounds' range."""
    per_round = [1000 * statistics.median(seconds) for seconds in measured["rounds"]]
    low, high = min(per_round), max(per_round)
    return f"{1000 * measured['seconds']:{spec}} ({low:{spec}} to {high:{spec}})"


def serve(
    act: Act, questions: Mapping[str, Callable[[], Answer]] | None = None
) -> None:
    """In the worker: says that it has been done once, then does it as often as asked.

    Args:
      questions: what else may be asked, and what answers it.
    """
    say({"ready": True})
    for line in sys.stdin:
        question = line.strip()
        if questions and question in questions:
            say(questions[question]())
            continue
        forget_peak()
        seconds = []
        for _ in range(int(question)):
            before = time.perf_counter()
            act()
            seconds.append(time.perf_counter() - before)
        say({"seconds": seconds, "memory": peak_memory()})


def say(answer: Answer) -> None:
    """To whoever started this process."""
    print(json.dumps(answer), flush=True)


def peak_memory() -> int:
    """The most bytes that this process has had in memory since `forget_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def forget_peak() -> None:
    """Counts the peak from here (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")
