"""Terminal output of a stage: progress bars, and errors without a traceback."""

from __future__ import annotations

import errno
import queue
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bars

from pipelines.observability.stage_process import end_now, supervised
from tiprdc.errors import USER_ERROR, TiprdcError

T = TypeVar("T")
EventT = TypeVar("EventT", covariant=True)

_SECONDS_BETWEEN_LINES = 10.0

console = Console(stderr=True)
"""Standard error: messages are never part of a stage's results."""


def run(main: Callable[[], None]) -> None:
    """Run a stage; an error that the user can fix is printed without a traceback, exit code 2.

    After Ctrl-C it ends within seconds, exit code 130.
    """
    try:
        with supervised():
            main()
    except KeyboardInterrupt:
        end_now()
    except TiprdcError as error:
        _exit_with(str(error))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _exit_with(
            f"{error.filename or 'disk'}: no space left on the device\n"
            "  hint: free some space and run the same command again: it resumes from there"
        )


def _exit_with(message: str) -> None:
    console.print(f"\n{message}", markup=False, highlight=False, soft_wrap=True)
    sys.exit(USER_ERROR)


class EventSource(Protocol[EventT]):
    """The reading end of a queue; raises queue.Empty if no event comes within the timeout."""

    def get(self, block: bool = ..., timeout: float | None = ...) -> EventT: ...


class Progress:
    """Progress of several tasks: bars on a terminal, else a line every 10 s.

    Args:
        unit: Unit of the counts, such as "epoch".
        on_change: Called with each change: name, units done, total.
    """

    def __init__(self, unit: str, on_change: Callable[[str, int, int], None] | None = None) -> None:
        self.unit, self.on_change = unit, on_change
        self._totals: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._printed: dict[str, float] = {}
        self._bars = Bars(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TextColumn(unit), TimeElapsedColumn(),
            console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._ids: dict[str, TaskID] = {}

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
        self._totals[name] = total
        self._ids[name] = self._bars.add_task(name, total=total)

    def update(self, name: str, done: int) -> None:
        """Set the units that are done."""
        if self._done.get(name) == done:
            return
        self._done[name] = done
        total = self._totals[name]
        self._bars.update(self._ids[name], completed=done)
        if self.on_change:
            self.on_change(name, done, total)
        now = time.monotonic()
        due = now - self._printed.get(name, -float("inf")) >= _SECONDS_BETWEEN_LINES
        if not console.is_terminal and (due or done >= total):
            self._printed[name] = now
            console.print(f"{name}: {self.unit} {done} of {total}", highlight=False)

    def follow(self, source: EventSource[tuple[str, int]], futures: Iterable[Future[Any]]) -> None:
        """Show each (name, units done) that arrives, until all futures are done."""
        for event in events_until_done(source, futures):
            self.update(*event)


def events_until_done(source: EventSource[T], futures: Iterable[Future[Any]]) -> Iterator[T]:
    """Yield the events of a queue until all futures are done and the queue is empty."""
    waiting = list(futures)
    while True:
        finished = all(future.done() for future in waiting)
        try:
            yield source.get(timeout=0 if finished else 0.5)
        except queue.Empty:
            # Events that were sent before the end are still in the queue.
            if finished:
                return


def progress(
    items: Iterable[T],
    *,
    total: int,
    label: str,
    unit: str = "part",
    on_change: Callable[[str, int, int], None] | None = None,
) -> Iterator[T]:
    """Yield the items, with their count as progress."""
    with Progress(unit, on_change) as bars:
        bars.add(label, total)
        for done, item in enumerate(items, start=1):
            bars.update(label, done)
            yield item
