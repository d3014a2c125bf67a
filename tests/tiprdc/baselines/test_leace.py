"""After the erasure no linear function of z says anything about u, and little else is changed."""

from __future__ import annotations

import pytest
import torch

from tiprdc.baselines.leace import eraser


@pytest.fixture
def leaking() -> tuple[torch.Tensor, torch.Tensor]:
    """4,000 correlated z of 6 numbers, two of them moved by a u of 3 classes; one is constant."""
    torch.manual_seed(0)
    u = torch.nn.functional.one_hot(torch.randint(3, (4000,)), 3).double()
    z = torch.randn(4000, 6).double() @ torch.randn(6, 6).double()
    z[:, :2] += u @ torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]]).double()
    z[:, 5] = 1.0
    return z, u


def cross_covariance(z: torch.Tensor, u: torch.Tensor) -> float:
    return float(((z - z.mean(0)).T @ (u - u.mean(0)) / len(z)).abs().max())


def test_nothing_linear_is_left(leaking: tuple[torch.Tensor, torch.Tensor]) -> None:
    z, u = leaking
    weight, mean, shift = eraser(z, u)
    erased = (z - mean) @ weight + shift
    assert cross_covariance(z, u) > 0.1
    assert cross_covariance(erased, u) < 1e-9
    assert torch.allclose(erased.mean(0), z.mean(0))
    assert torch.allclose((erased - mean) @ weight + shift, erased)  # a projection


def test_it_changes_no_more_than_it_must(leaking: tuple[torch.Tensor, torch.Tensor]) -> None:
    """The least change of all that erase: what is kept says nothing linear of what was taken."""
    z, u = leaking
    weight, _, _ = eraser(z, u)
    change = torch.eye(6).double() - weight
    assert torch.linalg.matrix_rank(change) == 2  # classes - 1
    # What of z does not go along with u is left alone: the change is a function of u's part of z.
    erased = (z - z.mean(0)) @ weight
    moved = (z - z.mean(0)) - erased
    assert cross_covariance(erased, moved) < 1e-9


def test_nothing_is_erased_where_nothing_is_linear() -> None:
    torch.manual_seed(1)
    z = torch.randn(1000, 4).double()
    z = z - z.mean(0)
    u = torch.ones(1000, 2).double()
    weight, _, _ = eraser(z, u)
    assert torch.allclose(weight, torch.eye(4).double())
