"""Two ways to control where a gradient flows: scale it, or freeze a network's weights."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn


class _Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.factor, None


def scale_gradient(tensor: Tensor, factor: float) -> Tensor:
    """The same values; the gradient that flows back is multiplied by `factor`."""
    return cast(Tensor, _Scale.apply(tensor, factor))


def with_frozen_weights(network: nn.Module, *inputs: Tensor) -> Tensor:
    """The output of a network whose weights get no gradient; its inputs do."""
    frozen = {name: p.detach() for name, p in network.named_parameters()}
    output: Tensor = torch.func.functional_call(network, frozen, inputs)
    return output
