"""Which tasks of an audit ask Ray for a GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipelines.audit.ray_executor import RayExecutor
from pipelines.cluster import tasks as ray_tasks
from tiprdc.audit.executor import InProcess
from tiprdc.audit.tasks import FitRequest, fit, fit_decoder
from tiprdc.selftest.fixtures import FIXTURES
from tiprdc.selftest.small_audit import AuditSetup, audit_fixture


@pytest.mark.parametrize(("gpu", "gpus"), [(True, 0.5), (False, 0.0)])
def test_tasks_that_can_use_a_gpu_ask_for_a_share(
    gpu: bool, gpus: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    monkeypatch.setattr(ray_tasks, "submit", lambda *_, gpus, **__: asked.append(gpus))
    RayExecutor(gpus=0.5).submit(len, "a model", gpu=gpu)
    RayExecutor().submit(len, "a model", gpu=gpu)
    assert asked == [gpus, 0.0]


class RecordingExecutor(InProcess):
    """Notes which tasks can use a GPU, and the attack of each fit."""

    def __init__(self) -> None:
        super().__init__()
        self.fits: dict[str, bool] = {}
        self.others: set[Callable[..., Any]] = set()

    def submit(
        self, function: Callable[..., Any], *args: Any, returns: int = 1, gpu: bool = False
    ) -> Any:
        if function is fit and isinstance(args[0], FitRequest):
            self.fits[args[0].attack] = gpu
        else:
            self.others |= {function} if gpu else set()
        return super().submit(function, *args, returns=returns, gpu=gpu)


def test_fits_of_networks_that_can_use_a_gpu_say_so() -> None:
    executor = RecordingExecutor()
    setup = AuditSetup(train=60, select=40, test=40, attacks=("residual", "cnn", "ridge"))
    audit_fixture(FIXTURES["plain"], 0.8, setup, 0, executor)
    uses = {name: executor.fits[name] for name in setup.attacks}
    assert uses == {"residual": True, "cnn": True, "ridge": False}
    assert executor.others <= {fit_decoder}
