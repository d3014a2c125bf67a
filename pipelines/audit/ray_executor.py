"""Run the audit's tasks on Ray, one core each.

Features, records, labels and fitted attackers lie in Ray's object store once. No task reads from
disk, so any machine of a cluster can run any task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import ray

from pipelines.cluster import tasks as ray_tasks
from pipelines.observability.progress import Progress
from tiprdc.audit.executor import TIMED_OUT

K = TypeVar("K")


class RayExecutor:
    """An `Executor` that runs tasks in parallel; a worker that dies costs its task, not the audit.

    Args:
        on_progress: Called with the label of a kind of tasks, tasks done, and tasks in all.
        on_outcome: Called with the key and the result of each task, or its exception.
        gpus: GPUs for a task that can use one.
    """

    def __init__(
        self,
        on_progress: Callable[[str, int, int], None] = lambda label, done, total: None,
        on_outcome: Callable[[Any, Any], None] = lambda key, outcome: None,
        gpus: float = 0.0,
    ) -> None:
        self.on_progress, self.on_outcome, self.gpus = on_progress, on_outcome, gpus

    def put(self, value: Any) -> Any:
        """A reference to the value in the object store."""
        return ray.put(value)

    def submit(
        self, function: Callable[..., Any], *arguments: Any, returns: int = 1, gpu: bool = False
    ) -> Any:
        """Start as soon as a core is free; try again once if the worker dies."""
        gpus = self.gpus if gpu else 0.0
        return ray_tasks.submit(function, *arguments, returns=returns, gpus=gpus)

    def get(self, tasks: Sequence[Any]) -> list[Any]:
        """The results.

        Raises:
            Exception: What the first failing task raised.
        """
        return list(ray.get(list(tasks)))

    def collect(
        self, tasks: Mapping[K, Any], deadline: float, label: str, cost: Callable[[K], float]
    ) -> Iterator[tuple[K, Any]]:
        """Each task's result or exception; tasks that are late are cancelled."""
        total, results = len(tasks), ray_tasks.outcomes(tasks, deadline, TIMED_OUT)
        with Progress(label, lambda _, done, total: self.on_progress(label, done, total)) as bar:
            bar.add("audit", total)
            for done, (key, outcome) in enumerate(results, start=1):
                bar.update("audit", done)
                self.on_outcome(key, outcome)
                yield key, outcome
