"""Batch normalisation by the moments of the whole batch, for any number of workers.

    y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias        over batch, rows and columns

Source: Ioffe & Szegedy 2015. torch.nn.SyncBatchNorm does the same, on GPUs alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tiprdc.distributed import SINGLE_PROCESS, BatchGroup


class BatchNorm(nn.BatchNorm2d):
    """Maps `[B, C, H, W]` -> `[B, C, H, W]`; a single worker uses torch's own layer.

    A subclass, so that weights have torchvision's names in pretrained files and checkpoints.
    """

    group: BatchGroup = SINGLE_PROCESS

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.group.world == 1:
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):
            x32 = x.float()
            variance_part = x32.var((0, 2, 3), correction=0)
            mean, variance = self.group.moments(x32.mean((0, 2, 3)), variance_part)
            count = self.group.records(len(x)) * x.shape[2] * x.shape[3]
            self._update_running(mean.detach(), variance.detach() * count / (count - 1))
            scale = self.weight * (variance + self.eps).rsqrt()
            shape = (1, -1, 1, 1)
            y = (x32 - mean.view(shape)) * scale.view(shape) + self.bias.view(shape)
        return y.to(x.dtype)

    @torch.no_grad()
    def _update_running(self, mean: Tensor, variance: Tensor) -> None:
        pairs = ((self.running_mean, mean), (self.running_var, variance))
        for running, value in pairs:
            assert running is not None
            assert self.momentum is not None
            running.lerp_(value, self.momentum)
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)


def use_whole_batch(network: nn.Module) -> nn.Module:
    """Turn torch's batch normalisations of a network into those of this file, and return it."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            # The state is the same; another instance would have to take its place by name.
            module.__class__ = BatchNorm
    return network
