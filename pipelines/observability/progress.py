"""What a person at a terminal sees of a stage: progress, and errors without a traceback."""

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

from tiprdc.errors import TiprdcError

T = TypeVar("T")
EventT = TypeVar("EventT", covariant=True)

USER_ERROR = 2
"""Exit code when the user can fix it."""
_SECONDS_BETWEEN_LINES = 10.0

console = Console(stderr=True)
"""Standard error: what a stage says is never part of what it computes."""


def run(main: Callable[[], None]) -> None:
    """Run a stage; what the user can fix is said in a few lines and ends with exit code 2."""
    try:
        main()
    except TiprdcError as error:
        _refuse(str(error))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _refuse(
            f"{error.filename or 'disk'}: no space left on the device\n"
            "  hint: free some space and run the same command again; what was finished is kept"
        )


def _refuse(message: str) -> None:
    console.print(f"\n{message}", markup=False, highlight=False, soft_wrap=True)
    sys.exit(USER_ERROR)


class EventSource(Protocol[EventT]):
    """The reading end of a queue; without news it raises queue.Empty."""

    def get(self, block: bool = ..., timeout: float | None = ...) -> EventT: ...


class Progress:
    """Several things under way at once: bars on a terminal, else a line now and then.

    Args:
        unit: What is counted: "epoch", "trial".
        heard: Told of each change: name, units done, total.
    """

    def __init__(self, unit: str, heard: Callable[[str, int, int], None] | None = None) -> None:
        self.unit, self.heard = unit, heard
        self._totals: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._said: dict[str, float] = {}
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
        """Something to wait for, of `total` units."""
        self._totals[name] = total
        self._ids[name] = self._bars.add_task(name, total=total)

    def update(self, name: str, done: int) -> None:
        """`done` units of it are finished."""
        if self._done.get(name) == done:
            return
        self._done[name] = done
        total = self._totals[name]
        self._bars.update(self._ids[name], completed=done)
        if self.heard:
            self.heard(name, done, total)
        now = time.monotonic()
        due = now - self._said.get(name, -float("inf")) >= _SECONDS_BETWEEN_LINES
        if not console.is_terminal and (due or done >= total):
            self._said[name] = now
            console.print(f"{name}: {self.unit} {done} of {total}", highlight=False)

    def follow(self, source: EventSource[tuple[str, int]], futures: Iterable[Future[Any]]) -> None:
        """Show the (name, units done) that arrive until all futures are done."""
        for news in events_until_done(source, futures):
            if news is not None:
                self.update(*news)


def events_until_done(source: EventSource[T], futures: Iterable[Future[Any]]) -> Iterator[T | None]:
    """What arrives at a queue until all futures are done and it is empty; None after a silence."""
    waiting = list(futures)
    while True:
        finished = all(future.done() for future in waiting)
        try:
            yield source.get(timeout=0 if finished else 0.5)
        except queue.Empty:
            # What was said before the end is still taken in.
            if finished:
                return
            yield None


def progress(
    items: Iterable[T],
    *,
    total: int,
    label: str,
    unit: str = "part",
    heard: Callable[[str, int, int], None] | None = None,
) -> Iterator[T]:
    """The items, counted as they come."""
    with Progress(unit, heard) as shown:
        shown.add(label, total)
        for done, item in enumerate(items, start=1):
            shown.update(label, done)
            yield item
