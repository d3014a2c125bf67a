"""The audit's tasks on Ray: each one core, handed whatever it needs.

Features, records and labels lie in the object store once, and so do the fitted attackers. Nothing
is read from disk, so any machine of a cluster can do any task.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import ray

from pipelines.observability.progress import Progress
from tiprdc.audit.executor import TIMED_OUT

K = TypeVar("K")


class RayExecutor:
    """Runs an audit's tasks side by side; a worker that dies costs its task, not the audit.

    Args:
        heard: Told how far a kind of tasks is: its label, tasks done, tasks in all.
        ended: Told the key and the result of each task, or its exception.
    """

    def __init__(
        self,
        heard: Callable[[str, int, int], None] = lambda label, done, total: None,
        ended: Callable[[Any, Any], None] = lambda key, result: None,
    ) -> None:
        self.heard, self.ended = heard, ended

    def put(self, value: Any) -> Any:
        """The value in the object store."""
        return ray.put(value)

    def submit(self, function: Callable[..., Any], *given: Any, returns: int = 1) -> Any:
        """Starts as soon as a core is free; tried again once if the worker dies."""
        remote: Any = ray.remote(num_cpus=1, max_retries=1, num_returns=returns)(function)
        return remote.remote(*given)

    def get(self, tasks: Sequence[Any]) -> list[Any]:
        """The results; raises what the first failing one raised."""
        return list(ray.get(list(tasks)))

    def collect(
        self, tasks: Mapping[K, Any], deadline: float, label: str, cost: Callable[[K], float]
    ) -> Iterator[tuple[K, Any]]:
        """Each task's result, or the exception that it ended with; late ones are stopped."""
        names = {task: key for key, task in tasks.items()}
        for task, result in self._results(list(names), deadline, label):
            self.ended(names[task], result)
            yield names[task], result

    def _results(
        self, waiting: list[Any], deadline: float, label: str
    ) -> Iterator[tuple[Any, Any]]:
        total = len(waiting)
        with Progress(label, lambda _, done, total: self.heard(label, done, total)) as progress:
            progress.add("audit", total)
            while waiting:
                left = deadline - time.monotonic()
                done, waiting = ray.wait(waiting, timeout=max(0.0, left))
                if not done:
                    break
                progress.update("audit", total - len(waiting))
                try:
                    yield done[0], ray.get(done[0])
                except ray.exceptions.RayError as error:
                    yield done[0], error
        for task in waiting:
            ray.cancel(task, force=True)
            yield task, TimeoutError(TIMED_OUT)
