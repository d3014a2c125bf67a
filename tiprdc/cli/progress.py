"""Shows the progress of long work on standard error: bars on a terminal, else a line now and then.

Commands and pipeline stages use the same class: for counted units (`add`, `update`), or for a share
of the work in percent (a call).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

SECONDS_BETWEEN_LINES = 10.0
_WARM_UP = 2.0
"""Seconds after which the speed is measured: what is done before may be reused work."""


class Progress:
    """Progress of one or several tasks at once; use it as a context manager.

    The estimate of the time left assumes that the rest is as fast as what is done. (The audit
    weights its tasks by their usual cost for that.)

    Args:
        unit: What tasks count, in the singular: "epoch", "record".
        console: Where to write; standard error by default.
        lines: Whether to print lines where there is no terminal.
        on_change: Called by `update` with the name, the units done and their total.
    """

    def __init__(
        self,
        unit: str = "",
        *,
        console: Console | None = None,
        lines: bool = True,
        on_change: Callable[[str, int, int], None] | None = None,
    ) -> None:
        self.unit, self.lines, self.on_change = unit, lines, on_change
        self.console = console or Console(stderr=True, highlight=False)
        self._bars = RichProgress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[position]}"),
            TimeElapsedColumn(), TextColumn("{task.fields[estimate]}"),
            console=self.console, disable=not self.console.is_terminal,
        )  # fmt: skip
        self._tasks: dict[str, _Task] = {}
        self._counts: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def add(self, name: str, total: int) -> None:
        """Add a task of `total` units."""
        self._counts[name] = (-1, total)
        self._tasks[name] = self._new_task(name)

    def update(self, name: str, done: int) -> None:
        """Set the number of finished units of a task that was added."""
        previous, total = self._counts[name]
        if done == previous:
            return
        self._counts[name] = (done, total)
        if self.on_change:
            self.on_change(name, done, total)
        self._show(name, done / total if total else 1.0, f"{self.unit} {done:,} of {total:,}", done)

    def __call__(self, name: str, share: float) -> None:
        """Set the finished share of a task, in [0, 1]; the first call adds the task."""
        if name not in self._tasks:
            self._tasks[name] = self._new_task(name, last_line=time.monotonic())
        self._show(name, share, f"{100 * share:.0f} %")

    def _new_task(self, name: str, last_line: float = -float("inf")) -> _Task:
        bar = self._bars.add_task(name, total=1.0, position="", estimate="")
        return _Task(bar, time.monotonic(), last_line)

    def _show(self, name: str, share: float, position: str, done: int = 0) -> None:
        task, now = self._tasks[name], time.monotonic()
        if now - task.added < _WARM_UP:
            task.start, task.start_share, task.start_done = now, share, done
        elapsed = now - task.start
        estimate = format_time_left(elapsed, share, task.start_share)
        rate = (done - task.start_done) / elapsed if elapsed > _WARM_UP else 0.0
        if rate >= 1:
            estimate = ", ".join(filter(None, [f"{rate:,.0f} {self.unit}s a second", estimate]))
        self._bars.update(task.bar, completed=share, position=position, estimate=estimate)
        is_due = now - task.last_line >= SECONDS_BETWEEN_LINES
        if self.lines and not self.console.is_terminal and (is_due or share >= 1):
            task.last_line = now
            text = f"{name}: {position}" + (f", {estimate}" if estimate else "")
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)


@dataclass
class _Task:
    """A task's bar, when it was added and last printed, and its state at the end of the warm-up."""

    bar: TaskID
    added: float
    last_line: float
    start: float = 0.0
    start_share: float = 0.0
    start_done: int = 0


def format_time_left(elapsed: float, share: float, start_share: float = 0.0) -> str:
    """Estimate the time left, in words.

    Args:
        elapsed: Seconds in which the share rose from `start_share` to `share`.
        share: Finished share of the work, in [0, 1].
        start_share: Share at the beginning of that time.

    Returns:
        Empty while too little is known, and when nothing is left.
    """
    progress = share - start_share
    if share >= 1 or progress < 0.02 or elapsed < _WARM_UP:
        return ""
    left = elapsed * (1 - share) / progress
    return f"about {left:.0f} s left" if left < 90 else f"about {left / 60:.0f} min left"
