"""Obliviator: what a linear and a kernel attacker find after its steps."""

from __future__ import annotations

import pytest
import torch
from msgspec import structs
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from torch import Tensor

from tiprdc.baselines import obliviator
from tiprdc.baselines.base import MethodsConfig
from tiprdc.baselines.obliviator import ErasureStep, erase
from tiprdc.errors import ConfigError


@pytest.fixture(autouse=True)
def few_frequencies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for four features, in a tenth of the time."""
    monkeypatch.setattr(obliviator, "_FREQUENCIES", 120)
    monkeypatch.setattr(obliviator, "_BATCH", 400)


def planted(people: int = 800) -> tuple[Tensor, Tensor, Tensor]:
    """z `[N, 4]`; a secret in the sign of z0 z1, which no linear attacker finds; a task in z2."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(people, 4, generator=generator)
    z[:, :2] += 0.7 * z[:, :2].sign()
    return z, (z[:, 0] * z[:, 1] > 0).long(), (z[:, 2] > 0).long()


def one_hot(u: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(u, 2).float()


def apply(steps: list[ErasureStep], z: Tensor) -> Tensor:
    for step in steps:
        z = step(z)
    return z


def kernel_attack(z: Tensor, u: Tensor) -> float:
    half = len(z) // 2
    scaled = z / z.std(0)
    return float(SVC().fit(scaled[:half], u[:half]).score(scaled[half:], u[half:]))


def test_kernel_attacker_loses_the_secret_and_keeps_the_task() -> None:
    z, secret, task = planted()
    steps = erase(z, one_hot(secret), 8, 7, 0)
    assert len(steps) == 8
    erased = apply(steps, z)
    assert erased.shape == (len(z), 8)
    assert kernel_attack(z, secret) > 0.9
    assert kernel_attack(erased, secret) < 0.6
    assert kernel_attack(erased, task) > 0.75


def test_random_features_of_a_step_have_no_covariance_with_the_secret() -> None:
    z, _, task = planted()
    step = erase(z, one_hot(task), 8, 0, 0)[0]
    columns = step.fourier(z / z.norm(dim=1, keepdim=True)).double()
    raw = (columns - step.mean) @ step.directions.double()
    u = one_hot(task).double()
    covariance = raw.T @ (u - u.mean(0)) / len(z)
    assert covariance.abs().max() < 1e-6 < raw.std(0).min()
    # Of those directions a step keeps ones that it was not told to erase.
    x, y = apply([step], z).numpy(), (z[:, 3] > 0).numpy()
    assert LogisticRegression(C=100).fit(x, task).score(x, task) < 0.6
    assert LogisticRegression(C=100).fit(x, y).score(x, y) > 0.9


def test_steps_depend_on_the_seed_alone() -> None:
    z, secret, _ = planted(300)
    first, same, other = (apply(erase(z, one_hot(secret), 4, 2, s), z) for s in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.allclose(first, other)


def test_wrong_number_of_steps_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"comparison\.methods\.erasure_steps: -1"):
        structs.replace(MethodsConfig(), erasure_steps=-1)
