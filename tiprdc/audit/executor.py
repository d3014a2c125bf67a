"""Where an audit's tasks run: here, one after the other, or wherever else somebody writes.

The audit hands out all its tasks first and collects them afterwards, so that a cluster can do them
side by side. A task may take another task in place of a value.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

K = TypeVar("K")

ProgressCallback = Callable[[str, float], None]
"""Told what is done, and which share of the expected work in [0, 1] is behind us."""
MOST_SECONDS = 3600
"""Seconds after which an audit's unfinished attacks count as failed, by default."""
TIMED_OUT = "out of time (cluster.most_seconds)"


class Executor(Protocol):
    """Runs tasks."""

    def put(self, value: Any) -> Any:
        """The value, or what stands for it in arguments: sent once, used often."""

    def submit(self, function: Callable[..., Any], *given: Any, returns: int = 1) -> Any:
        """What stands for the function's result, or for each of its several results."""

    def get(self, tasks: Sequence[Any]) -> list[Any]:
        """The results of these tasks.

        Raises:
            Exception: What the first failing task raised.
        """

    def collect(
        self, tasks: Mapping[K, Any], deadline: float, label: str, cost: Callable[[K], float]
    ) -> Iterator[tuple[K, Any]]:
        """Each task's result, or the exception that it ended with, as they come.

        Args:
            tasks: By any key.
            deadline: By `time.monotonic()`; what is not finished then is a TimeoutError.
            label: What is done, for people.
            cost: Expected seconds of a task, roughly.
        """


class InProcess:
    """Each task when its result is asked for, in this process, with nothing else running.

    A task that is under way cannot be stopped: one that ends after the deadline counts as late, and
    none is begun after it.

    Args:
        watch: Told of the progress.
    """

    def __init__(self, watch: ProgressCallback = lambda label, share: None) -> None:
        self.watch = watch

    def put(self, value: Any) -> Any:
        """The value itself."""
        return value

    def submit(self, function: Callable[..., Any], *given: Any, returns: int = 1) -> Any:
        """A task that is done once, when it is needed."""
        task = _Task(function, given)
        return task if returns == 1 else tuple(_Part(task, n) for n in range(returns))

    def get(self, tasks: Sequence[Any]) -> list[Any]:
        """The results."""
        return [_value(task) for task in tasks]

    def collect(
        self, tasks: Mapping[K, Any], deadline: float, label: str, cost: Callable[[K], float]
    ) -> Iterator[tuple[K, Any]]:
        """Each result in turn."""
        total, behind = sum(map(cost, tasks)), 0.0
        for key, task in tasks.items():
            self.watch(label, behind / total)
            yield key, _outcome(task, deadline)
            behind += cost(key)
        self.watch(label, 1.0)


class _Task:
    def __init__(self, function: Callable[..., Any], given: tuple[Any, ...]) -> None:
        self.function, self.given = function, given
        self.outcome: tuple[Any] | Exception | None = None

    def value(self) -> Any:
        if self.outcome is None:
            try:
                self.outcome = (self.function(*map(_value, self.given)),)
            except Exception as error:  # kept for everything that waits for this
                self.outcome = error
            # What it was given is not kept alive by its result.
            self.given = ()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome[0]


class _Part:
    def __init__(self, task: _Task, number: int) -> None:
        self.task, self.number = task, number

    def value(self) -> Any:
        return self.task.value()[self.number]


def _value(given: Any) -> Any:
    return given.value() if isinstance(given, _Task | _Part) else given


def _outcome(task: Any, deadline: float) -> Any:
    if time.monotonic() > deadline:
        return TimeoutError(TIMED_OUT)
    try:
        found = _value(task)
    except Exception as error:  # a fact for the report
        return error
    return found if time.monotonic() <= deadline else TimeoutError(TIMED_OUT)
