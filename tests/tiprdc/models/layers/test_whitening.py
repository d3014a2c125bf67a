"""Whitened features have unit covariance, and folding whitening keeps the features."""

from __future__ import annotations

import torch
from torch import nn

from tiprdc.models.layers.whitening import Whitening


def test_whitened_features_have_unit_covariance() -> None:
    torch.manual_seed(0)
    mixing = torch.diag(torch.tensor([3.0, 1.0, 0.3])) @ torch.linalg.qr(torch.randn(3, 3)).Q
    whiten = Whitening(3)
    for _ in range(200):
        whiten(torch.randn(256, 3) @ mixing + 5)
    z = whiten.eval()(torch.randn(20_000, 3) @ mixing + 5)
    torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=0.1, rtol=0)
    torch.testing.assert_close(z.T.cov(), torch.eye(3), atol=0.15, rtol=0)


def test_direction_without_variance_is_not_amplified() -> None:
    torch.manual_seed(0)
    whiten = Whitening(2)
    for _ in range(100):
        whiten(torch.randn(64, 1) * torch.tensor([[1.0, 0.0]]))
    assert whiten.eval()(torch.tensor([[1.0, 1e-3]])).abs().max() < 2


def test_folded_whitening_gives_the_same_features_and_drops_its_statistics() -> None:
    torch.manual_seed(0)
    linear, whiten = nn.Linear(4, 3), Whitening(3)
    for _ in range(50):
        whiten(linear(torch.randn(64, 4)))
    x = torch.randn(10, 4)
    expected = whiten.eval()(linear(x))
    whiten.fold_into(linear)
    torch.testing.assert_close(whiten(linear(x)), expected, atol=1e-4, rtol=1e-4)
    assert whiten.state_dict() == {}
    weight = linear.weight.clone()
    whiten.fold_into(linear)
    assert torch.equal(linear.weight, weight)
