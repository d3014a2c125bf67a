"""Interface that runs an audit's tasks, and an implementation in this process.

The audit submits all its tasks first and collects the results afterwards, so that a cluster can run
them in parallel. A task may take another task as an argument in place of a value.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

K = TypeVar("K")

ProgressCallback = Callable[[str, float], None]
"""Called with the current step and the share of expected work that is done, in [0, 1]."""
DEFAULT_TIMEOUT = 3600
"""Default seconds after which an audit's unfinished attacks count as failed."""
TIMED_OUT = "out of time (cluster.most_seconds)"


def failure(error: Exception) -> str:
    """Why a task gave nothing: a status that begins with "failed: "."""
    return f"failed: {error if isinstance(error, TimeoutError) else type(error).__name__}"


class Executor(Protocol):
    """Runs tasks."""

    def put(self, value: Any) -> Any:
        """A reference to a value, to use as an argument; the value is sent once."""

    def submit(
        self, function: Callable[..., Any], *args: Any, returns: int = 1, gpu: bool = False
    ) -> Any:
        """A task for the function's result, or one for each of its several results.

        Args:
            function, args: The call.
            returns: Number of results.
            gpu: Whether it can use a GPU.
        """

    def get(self, tasks: Sequence[Any]) -> list[Any]:
        """The results of these tasks.

        Raises:
            Exception: The error of the first failing task.
        """

    def collect(
        self, tasks: Mapping[K, Any], deadline: float, label: str, cost: Callable[[K], float]
    ) -> Iterator[tuple[K, Any]]:
        """Each task's result, or the exception that it raised, as they finish.

        Args:
            tasks: Tasks by any key.
            deadline: On the clock `time.monotonic()`; a task unfinished then yields a TimeoutError.
            label: Name of the step, for progress bars.
            cost: Rough expected seconds of a task.
        """


class InProcess:
    """Runs each task in this process when its result is needed, one at a time.

    A running task cannot be stopped: one that ends after the deadline counts as timed out, and none
    is started after it.

    Args:
        progress: Called with the progress.
    """

    def __init__(self, progress: ProgressCallback = lambda label, share: None) -> None:
        self.progress = progress

    def put(self, value: Any) -> Any:
        """The value itself."""
        return value

    def submit(
        self, function: Callable[..., Any], *args: Any, returns: int = 1, gpu: bool = False
    ) -> Any:
        """A task that runs once, when its result is needed."""
        task = _Task(function, args)
        return task if returns == 1 else tuple(_TaskItem(task, n) for n in range(returns))

    def get(self, tasks: Sequence[Any]) -> list[Any]:
        """The results."""
        return [_value(task) for task in tasks]

    def collect(
        self, tasks: Mapping[K, Any], deadline: float, label: str, cost: Callable[[K], float]
    ) -> Iterator[tuple[K, Any]]:
        """Each result in turn."""
        total, done = sum(map(cost, tasks)), 0.0
        for key, task in tasks.items():
            self.progress(label, done / total)
            yield key, _outcome(task, deadline)
            done += cost(key)
        self.progress(label, 1.0)


class _Task:
    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.function, self.args = function, args
        self.outcome: tuple[Any] | Exception | None = None

    def value(self) -> Any:
        if self.outcome is None:
            try:
                self.outcome = (self.function(*map(_value, self.args)),)
            except Exception as error:  # raised again for every dependent task
                self.outcome = error
            # The result must not keep the arguments in memory.
            self.args = ()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome[0]


class _TaskItem:
    def __init__(self, task: _Task, number: int) -> None:
        self.task, self.number = task, number

    def value(self) -> Any:
        return self.task.value()[self.number]


def _value(argument: Any) -> Any:
    return argument.value() if isinstance(argument, _Task | _TaskItem) else argument


def _outcome(task: Any, deadline: float) -> Any:
    if time.monotonic() > deadline:
        return TimeoutError(TIMED_OUT)
    try:
        result = _value(task)
    except Exception as error:  # the report states it
        return error
    return result if time.monotonic() <= deadline else TimeoutError(TIMED_OUT)
