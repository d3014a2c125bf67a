"""The three estimators on Gaussian pairs with known information: I = -0.5 log(1 - rho^2)."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import Tensor

from tiprdc.objectives.donsker_varadhan import donsker_varadhan
from tiprdc.objectives.estimators import ESTIMATORS, MiEstimator
from tiprdc.objectives.infonce import infonce
from tiprdc.objectives.jsd import jsd

RHO = 0.8


def _truth(rho: float) -> float:
    return -0.5 * math.log(1 - rho**2)


def _ratio(x: Tensor, z: Tensor, rho: float) -> Tensor:
    """log p(x, z) / (p(x) p(z)): the optimal critic."""
    squares = rho**2 * (x**2 + z**2) - 2 * rho * x * z
    return _truth(rho) - squares / (2 * (1 - rho**2))


def _scores(
    rho: float, negatives: int, *, critic_rho: float | None = None, records: int = 40_000
) -> tuple[Tensor, Tensor]:
    """Scores of the optimal critic for `critic_rho`, with rolled records as negatives."""
    torch.manual_seed(0)
    x = torch.randn(records, dtype=torch.float64)
    z = rho * x + math.sqrt(1 - rho**2) * torch.randn_like(x)
    critic_rho = rho if critic_rho is None else critic_rho
    others = [_ratio(x.roll(shift), z, critic_rho) for shift in range(1, negatives + 1)]
    return _ratio(x, z, critic_rho), torch.stack(others)


def test_every_name_has_its_estimator() -> None:
    assert tuple(ESTIMATORS) == get_args(MiEstimator)


@pytest.mark.parametrize(
    ("mi_estimator", "score"),
    [("jsd", -2 * math.log(2)), ("infonce", 0.0), ("donsker_varadhan", 0.0)],
)
def test_zero_critic_gives_the_minimum_score(mi_estimator: MiEstimator, score: float) -> None:
    estimate = ESTIMATORS[mi_estimator](torch.zeros(8, 2), torch.zeros(3, 8, 2), None)
    assert estimate.item() == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6, 0.8])
def test_donsker_varadhan_is_tight_for_the_optimal_critic(rho: float) -> None:
    assert donsker_varadhan(*_scores(rho, 4)).item() == pytest.approx(_truth(rho), abs=0.02)


@pytest.mark.parametrize("critic_rho", [-0.8, 0.0, 0.4, 0.7, 0.9])
@pytest.mark.parametrize("mi_estimator", get_args(MiEstimator))
def test_any_other_critic_scores_less(mi_estimator: MiEstimator, critic_rho: float) -> None:
    best, other = _scores(RHO, 8), _scores(RHO, 8, critic_rho=critic_rho)
    assert ESTIMATORS[mi_estimator](*other, None) < ESTIMATORS[mi_estimator](*best, None)


def test_infonce_approaches_the_information_from_below() -> None:
    bounds = [infonce(*_scores(RHO, negatives)).item() for negatives in (1, 4, 16, 64)]
    assert bounds == sorted(bounds)
    assert bounds[0] < _truth(RHO) - 0.1
    assert bounds[-1] == pytest.approx(_truth(RHO), abs=0.02)
    assert max(bounds) < _truth(RHO) + 0.01


@pytest.mark.parametrize("negatives", [1, 3, 7])
def test_infonce_never_exceeds_its_ceiling(negatives: int) -> None:
    """Two nearly equal numbers have far more information than the ceiling."""
    rho = 0.9999
    assert _truth(rho) > 4
    bound = infonce(*_scores(rho, negatives)).item()
    ceiling = math.log(1 + negatives)
    assert 0.9 * ceiling < bound <= ceiling
    certain = infonce(torch.full((8,), 1e4), torch.full((negatives, 8), -1e4)).item()
    assert certain == pytest.approx(ceiling)


@pytest.mark.parametrize("mi_estimator", get_args(MiEstimator))
def test_more_dependence_scores_higher(mi_estimator: MiEstimator) -> None:
    values = [
        ESTIMATORS[mi_estimator](*_scores(rho, 4), None).item() for rho in (0.0, 0.3, 0.6, 0.9)
    ]
    assert values == sorted(values)
    assert values[-1] > values[0] + 0.2


@pytest.mark.parametrize("mi_estimator", ["infonce", "donsker_varadhan"])
def test_bounds_in_nats_ignore_a_constant_shift_of_scores(mi_estimator: MiEstimator) -> None:
    joint, product = _scores(RHO, 4, records=500)
    shifted = ESTIMATORS[mi_estimator](joint + 7, product + 7, None)
    torch.testing.assert_close(shifted, ESTIMATORS[mi_estimator](joint, product, None))
    assert jsd(joint + 7, product + 7) != pytest.approx(jsd(joint, product).item(), abs=0.1)


@pytest.mark.parametrize("mi_estimator", get_args(MiEstimator))
def test_huge_scores_neither_overflow_nor_lose_the_gradient(mi_estimator: MiEstimator) -> None:
    joint = torch.tensor([1e4, -1e4], requires_grad=True)
    product = torch.tensor([[-1e4, 1e4]], requires_grad=True)
    value = ESTIMATORS[mi_estimator](joint, product, None)
    value.backward()
    assert value.isfinite()
    assert joint.grad is not None
    assert joint.grad.isfinite().all()
    assert joint.grad.sum() > 0
    assert product.grad is not None
    assert product.grad.sum() < 0


@pytest.mark.parametrize("mi_estimator", get_args(MiEstimator))
def test_equal_weights_equal_no_weights(mi_estimator: MiEstimator) -> None:
    joint, product = torch.randn(6, 2), torch.randn(3, 6, 2)
    plain = ESTIMATORS[mi_estimator](joint, product, None)
    torch.testing.assert_close(ESTIMATORS[mi_estimator](joint, product, torch.ones(6, 2)), plain)


@pytest.mark.parametrize("mi_estimator", get_args(MiEstimator))
def test_position_of_weight_zero_is_ignored(mi_estimator: MiEstimator) -> None:
    weight = torch.tensor([[1.0, 0.0]] * 4)
    joint, product = torch.randn(4, 2), torch.randn(3, 4, 2)
    joint_changed, product_changed = joint.clone(), product.clone()
    joint_changed[:, 1] += 100
    product_changed[..., 1] += 100
    value = ESTIMATORS[mi_estimator](joint, product, weight)
    assert value == ESTIMATORS[mi_estimator](joint_changed, product_changed, weight)
    assert value != ESTIMATORS[mi_estimator](joint_changed, product_changed, None)
    without = ESTIMATORS[mi_estimator](joint[:, 0], product[..., 0], None)
    torch.testing.assert_close(value, without)


def test_weight_of_zero_gives_a_finite_gradient() -> None:
    weight = torch.tensor([[1.0, 0.0]] * 4)
    joint = torch.randn(4, 2, requires_grad=True)
    product = torch.randn(3, 4, 2, requires_grad=True)
    donsker_varadhan(joint, product, weight).backward()
    assert product.grad is not None
    assert product.grad.isfinite().all()
    assert (product.grad[..., 1] == 0).all()
