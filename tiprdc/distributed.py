"""Collectives that make losses over the global batch equal to single-process training.

A step's batch is divided among the workers, and DDP gives each the mean of all gradients. That
equals single-process training only for a loss that is a mean over records. Most losses here are
not: negatives, kernel adversary, memory, whitening and budget depend on the whole batch. So each
worker computes features, queries and keys of its own records, gathers those of the others, and
computes the same loss of the whole batch as every other worker.

The gradient of that loss L for a worker's weights comes through its own records z_r alone,

    dL/dz_r dz_r/dw,        and its sum over r is the single-process gradient.

DDP takes the mean, so the gradient into z_r is multiplied by the number of workers. Records are not
sent to other workers; features, labels, queries and keys are.

In a world of one every function returns its argument.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn


class BatchGroup:
    """The workers that share a batch, over torch.distributed's default group.

    Args:
        rank: Number of this worker, 0 to world - 1.
        world: Number of workers.
    """

    def __init__(self, rank: int = 0, world: int = 1) -> None:
        self.rank, self.world = rank, world
        self._sizes: list[int] = []

    def split(self, rows: Tensor) -> Tensor:
        """This worker's part of a batch; later calls gather parts of these sizes.

        Parts are contiguous in the batch and differ in size by one at most, so that their
        concatenation is the batch.
        """
        if self.world == 1:
            return rows
        parts = rows.tensor_split(self.world)
        self._sizes = [len(part) for part in parts]
        return parts[self.rank]

    def records(self, local: int) -> int:
        """Records in the whole batch, given the number of this worker's records."""
        return local if self.world == 1 else sum(self._sizes)

    def local_part(self, whole: Tensor) -> Tensor:
        """This worker's part `[b, ...]` of a tensor of the whole batch `[B, ...]`."""
        return whole if self.world == 1 else torch.split(whole, self._sizes)[self.rank]

    def all_gather(self, *parts: Tensor) -> tuple[Tensor, ...]:
        """Concatenate the workers' parts, for a computation that is identical on all workers.

        Args:
            parts: `[b, ...]`, of this worker's records; numbers that float32 represents exactly.

        Returns:
            `[B, ...]` of all records, each with its part's type.
        """
        return parts if self.world == 1 else self._concatenate(parts, identical=True)

    def all_gather_with_grad(self, *parts: Tensor) -> tuple[Tensor, ...]:
        """As `all_gather`, for a computation that differs between workers.

        The gradients of all workers are added up, which takes another round over the network.
        """
        return parts if self.world == 1 else self._concatenate(parts, identical=False)

    def mean(self, value: Tensor, weight: Tensor | None = None) -> Tensor:
        """A mean over the whole batch, for a computation that is identical on all workers.

        Args:
            value: Scalar, the mean over this worker's part.
            weight: Scalar, the weight of this part; None for its number of records.
        """
        if self.world == 1:
            return value
        counts = value.new_tensor(self._sizes[self.rank]) if weight is None else weight
        pair = torch.stack([value.float(), counts.float()])[None]
        values, weights = _gather(pair, self.rank, [1] * self.world, identical=True).unbind(1)
        whole: Tensor = (values * weights).sum() / weights.sum().clamp(min=1)
        return whole

    def moments(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the whole batch from those of the parts, `[C]` each; divided by N.

        Source: Chan et al. 1979.
        """
        if self.world == 1:
            return mean, variance
        pair = torch.stack([mean, variance])[None]
        parts = _gather(pair, self.rank, [1] * self.world, identical=False)
        share = parts.new_tensor(self._sizes)[:, None] / sum(self._sizes)
        means, variances = parts.unbind(1)
        global_mean = (share * means).sum(0)
        spread = variances + (means - global_mean).square()
        return global_mean, (share * spread).sum(0)

    def randn_like(self, local: Tensor) -> Tensor:
        """Gaussian noise `[b, ...]`: this worker's part of the noise of a single process."""
        if self.world == 1:
            return torch.randn_like(local)
        shape = (sum(self._sizes), *local.shape[1:])
        return self.local_part(torch.randn(shape, dtype=local.dtype, device=local.device))

    def _concatenate(self, parts: tuple[Tensor, ...], *, identical: bool) -> tuple[Tensor, ...]:
        # One message for all parts: on a network the number of messages costs the time.
        packed = torch.cat([part.flatten(1).float() for part in parts], dim=1)
        whole = _gather(packed, self.rank, self._sizes, identical=identical)
        columns = torch.split(whole, [part[0].numel() for part in parts], dim=1)
        return tuple(
            column.reshape(-1, *part.shape[1:]).to(part.dtype)
            for column, part in zip(columns, parts, strict=True)
        )


SINGLE_PROCESS = BatchGroup()


def attach_group(network: nn.Module, group: BatchGroup) -> None:
    """Set the group of every module in a network that needs one (has a `group` attribute)."""
    for module in network.modules():
        if isinstance(getattr(module, "group", None), BatchGroup):
            module.group = group  # type: ignore[assignment]  # torch declares tensors and modules only


class _Gather(torch.autograd.Function):
    """`[b, W]` of each worker -> `[B, W]`; b may differ from worker to worker."""

    @staticmethod
    def forward(ctx: Any, local: Tensor, rank: int, sizes: list[int], identical: bool) -> Tensor:
        ctx.rank, ctx.sizes, ctx.identical = rank, sizes, identical
        # Gloo needs messages of one length.
        message = local.new_zeros(max(sizes), *local.shape[1:])
        message[: len(local)] = local
        received = [torch.empty_like(message) for _ in sizes]
        dist.all_gather(received, message)
        return torch.cat([part[:size] for part, size in zip(received, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = gradients
        if ctx.identical:
            gradient = gradient * len(ctx.sizes)
        else:
            gradient = gradient.contiguous().clone()
            dist.all_reduce(gradient)
        local: Tensor = torch.split(gradient, ctx.sizes)[ctx.rank]
        return local, None, None, None


def _gather(local: Tensor, rank: int, sizes: list[int], *, identical: bool) -> Tensor:
    return cast(Tensor, _Gather.apply(local, rank, sizes, identical))
