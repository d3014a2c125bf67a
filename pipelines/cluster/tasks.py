"""Run independent tasks on Ray, one core each, and take their results as they finish."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

import ray

K = TypeVar("K")
T = TypeVar("T")


def submit(
    function: Callable[..., Any],
    *arguments: Any,
    retries: int = 1,
    returns: int = 1,
    gpus: float = 0.0,
) -> Any:
    """Start a task as soon as a core, and its share of a GPU, are free.

    Args:
        function: A function of a module that workers can import.
        arguments: Values, or references to values in Ray's object store.
        retries: How often it starts again after its worker died.
        returns: Number of results.
        gpus: GPUs that it takes, or a fraction of one.

    Returns:
        A reference to the result, or a list of references if `returns` is above 1.
    """
    remote: Any = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=retries, num_returns=returns)(
        function
    )
    return remote.remote(*arguments)


def run_tasks(
    function: Callable[..., T],
    arguments: Mapping[K, tuple[Any, ...]],
    *,
    at_once: int | None = None,
    retries: int = 1,
) -> Iterator[tuple[K, T]]:
    """Call a function once for each key; yields (key, result) in the order of completion.

    Args:
        function: A function of a module that workers can import.
        arguments: Key -> arguments.
        at_once: Most tasks that are started and not yet yielded: bounds the results that wait in
            the object store. None: all.
        retries: How often a task starts again after its worker died.

    Raises:
        Exception: What the first failing task raised.
    """
    waiting, running = iter(arguments.items()), dict[Any, K]()
    while True:
        room = None if at_once is None else at_once - len(running)
        for key, values in islice(waiting, room):
            running[submit(function, *values, retries=retries)] = key
        if not running:
            return
        done, _ = ray.wait(list(running))
        yield running.pop(done[0]), ray.get(done[0])


def outcomes(
    tasks: Mapping[K, Any], deadline: float, timeout_message: str
) -> Iterator[tuple[K, Any]]:
    """Yield (key, result or exception) of each task in the order of completion.

    Args:
        tasks: Key -> reference.
        deadline: By `time.monotonic()`. Tasks that are unfinished then are cancelled and yield a
            `TimeoutError`.
        timeout_message: Its text.
    """
    keys = {task: key for key, task in tasks.items()}
    waiting = list(keys)
    while waiting:
        done, waiting = ray.wait(waiting, timeout=max(0.0, deadline - time.monotonic()))
        if not done:
            break
        yield keys[done[0]], _outcome(done[0])
    for task in waiting:
        ray.cancel(task, force=True)
        yield keys[task], TimeoutError(timeout_message)


def _outcome(task: Any) -> Any:
    try:
        return ray.get(task)
    except ray.exceptions.RayError as error:
        return error
