"""The discriminator's own gradient."""

from __future__ import annotations

import torch

from tiprdc.models.layers.discriminator import Discriminator


def test_gradient_is_that_of_automatic_differentiation() -> None:
    torch.manual_seed(0)
    network = Discriminator(7, 5).double()
    z = torch.randn(11, 7, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(11, 5, dtype=torch.float64)
    (expected,) = torch.autograd.grad((network(z) * weights).sum(), z)
    torch.testing.assert_close(network.gradient(z, weights), expected)
