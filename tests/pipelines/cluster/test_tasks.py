"""Tasks on Ray: results in the order of completion, bounded, retried, cancelled when late."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
import ray

from pipelines.cluster import tasks as ray_tasks
from pipelines.cluster.tasks import outcomes, run_tasks, submit


def square(number: int) -> int:
    return number * number


def die_once(marker: str) -> str:
    if not Path(marker).exists():
        Path(marker).touch()
        os._exit(1)
    return "done"


@pytest.fixture
def imported_by_value() -> Any:
    """Workers cannot import this file: pickle its functions whole."""
    import sys

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray", "imported_by_value")
class TestOnRay:
    def test_every_result_comes_with_its_key(self) -> None:
        arguments = {name: (number,) for number, name in enumerate("abcde")}
        assert dict(run_tasks(square, arguments)) == {"a": 0, "b": 1, "c": 4, "d": 9, "e": 16}
        assert dict(run_tasks(square, {})) == {}

    def test_task_is_retried_after_its_worker_died(self, tmp_path: Path) -> None:
        arguments = {"a": (str(tmp_path / "marker"),)}
        assert dict(run_tasks(die_once, arguments)) == {"a": "done"}

    def test_outcomes_are_results_errors_and_timeouts(self) -> None:
        tasks = {
            "result": submit(square, 3),
            "error": submit(lambda: 1 / 0),
            "late": submit(lambda: time.sleep(100)),
        }
        ray.wait([tasks["result"], tasks["error"]], num_returns=2)
        found = dict(outcomes(tasks, time.monotonic() + 1, "too late"))
        assert found["result"] == 9
        assert isinstance(found["error"], ZeroDivisionError)
        assert isinstance(found["late"], TimeoutError)
        assert str(found["late"]) == "too late"


def test_unfinished_tasks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    running: list[int] = []

    def start(function: Any, number: int, *, retries: int) -> int:
        running.append(number)
        assert len(running) <= 2
        return number

    def wait(tasks: list[int]) -> tuple[list[int], list[int]]:
        running.remove(tasks[0])
        return tasks[:1], tasks[1:]

    monkeypatch.setattr(ray_tasks, "submit", start)
    monkeypatch.setattr(ray_tasks.ray, "wait", wait)
    monkeypatch.setattr(ray_tasks.ray, "get", lambda task: 10 * task)
    results = dict(run_tasks(square, {str(n): (n,) for n in range(5)}, at_once=2))
    assert results == {"0": 0, "1": 10, "2": 20, "3": 30, "4": 40}
