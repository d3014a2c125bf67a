"""Gradients are scaled, or cut off from a network's weights."""

from __future__ import annotations

import torch
from torch import nn

from tiprdc.training.gradients import scale_gradient, with_frozen_weights


def test_scale_gradient_keeps_values_and_scales_gradient() -> None:
    x = torch.ones(3, requires_grad=True)
    y = scale_gradient(x, -0.5)
    y.sum().backward()
    assert torch.equal(y, x)
    assert x.grad is not None
    assert x.grad.tolist() == [-0.5] * 3


def test_frozen_weights_get_no_gradient_and_inputs_do() -> None:
    network, x = nn.Linear(3, 2), torch.randn(4, 3, requires_grad=True)
    y = with_frozen_weights(network, x)
    assert torch.equal(y, network(x))
    y.sum().backward()
    assert x.grad is not None
    assert all(p.grad is None for p in network.parameters())
