"""Which tasks of an audit ask Ray for a GPU."""

from __future__ import annotations

import pytest

from pipelines.audit.ray_executor import RayExecutor
from tiprdc.audit.tasks import FitRequest


def request(attack: str) -> FitRequest:
    return FitRequest(
        attack=attack, seed=0, budget=1, pool="fresh", targets=("u",), classes={"u": 2}, records=10
    )


@pytest.mark.parametrize(
    ("arguments", "gpus"),
    [((request("residual"), 1), 0.5), ((request("ridge"), 1), 0.0), (("a model",), 0.0), ((), 0.0)],
)
def test_fits_of_networks_that_can_use_a_gpu_ask_for_a_share(
    arguments: tuple[object, ...], gpus: float
) -> None:
    assert RayExecutor(gpus=0.5).gpus_of(*arguments) == gpus
    assert RayExecutor().gpus_of(*arguments) == 0.0
