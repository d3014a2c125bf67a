"""Several workers that play as one: each knows what it needs of the others' part of a batch.

A step's batch is divided among the workers, and DDP gives each the mean of all gradients. That is
one worker's gradient only where a loss is a mean over records. Most of the game is not: a record's
negatives, the closed-form adversary, its memory, whitening and the budget are of the whole batch.
So each worker makes features, queries and keys of its own records, puts them together with the
others', and computes the same loss of the whole batch as all others do.

What a worker's own weights get of that loss L comes through its own records z_r alone,

    dL/dz_r dz_r/dw,        and summed over r it is one worker's gradient of the whole batch.

DDP takes the mean, so the way back into z_r is multiplied by the number of workers. Records do not
travel; features, labels, queries and keys do.

A world of one does nothing here: each function returns what it was given.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn


class BatchGroup:
    """One worker among others, over torch.distributed's default group.

    Args:
        rank: Number of this worker, 0 to world - 1.
        world: Number of workers.
    """

    def __init__(self, rank: int = 0, world: int = 1) -> None:
        self.rank, self.world = rank, world
        self._sizes: list[int] = []

    def split(self, rows: Tensor) -> Tensor:
        """This worker's part of a batch; what is gathered next is made of parts of this size.

        Parts are runs in the order of the batch, whose sizes differ by one at most, so that parts
        put together are the batch of one worker, record by record.
        """
        if self.world == 1:
            return rows
        parts = rows.tensor_split(self.world)
        self._sizes = [len(part) for part in parts]
        return parts[self.rank]

    def records(self, own: int) -> int:
        """Records in the whole batch, of which this worker has so many."""
        return own if self.world == 1 else sum(self._sizes)

    def local_part(self, whole: Tensor) -> Tensor:
        """This worker's part `[b, ...]` of something of the whole batch `[B, ...]`."""
        return whole if self.world == 1 else torch.split(whole, self._sizes)[self.rank]

    def all_gather(self, *parts: Tensor) -> tuple[Tensor, ...]:
        """Put the workers' parts together, for work that all do alike.

        Args:
            parts: `[b, ...]`, of this worker's records; numbers that float32 holds exactly.

        Returns:
            `[B, ...]` of all records, each of its part's type.
        """
        return parts if self.world == 1 else self._together(parts, alike=True)

    def all_gather_with_grad(self, *parts: Tensor) -> tuple[Tensor, ...]:
        """As `gather`, for work in which each worker does something of its own with them.

        The gradients of all are then added up, which takes another round over the network.
        """
        return parts if self.world == 1 else self._together(parts, alike=False)

    def mean(self, value: Tensor, weight: Tensor | None = None) -> Tensor:
        """A mean over the whole batch, for work that all do alike.

        Args:
            value: Scalar, the mean over this worker's part.
            weight: Scalar, what that part counts for; None for its number of records.
        """
        if self.world == 1:
            return value
        counts = value.new_tensor(self._sizes[self.rank]) if weight is None else weight
        pair = torch.stack([value.float(), counts.float()])[None]
        values, weights = _gather(pair, self.rank, [1] * self.world, alike=True).unbind(1)
        whole: Tensor = (values * weights).sum() / weights.sum().clamp(min=1)
        return whole

    def moments(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Of the whole batch from those of the parts, `[C]` each; variances divided by N.

        Source: Chan et al. 1979.
        """
        if self.world == 1:
            return mean, variance
        pair = torch.stack([mean, variance])[None]
        parts = _gather(pair, self.rank, [1] * self.world, alike=False)
        share = parts.new_tensor(self._sizes)[:, None] / sum(self._sizes)
        means, variances = parts.unbind(1)
        whole = (share * means).sum(0)
        return whole, (share * (variances + (means - whole).square())).sum(0)

    def randn_like(self, own: Tensor) -> Tensor:
        """Gaussian noise `[b, ...]`: this worker's part of what one worker would draw."""
        if self.world == 1:
            return torch.randn_like(own)
        shape = (sum(self._sizes), *own.shape[1:])
        return self.local_part(torch.randn(shape, dtype=own.dtype, device=own.device))

    def _together(self, parts: tuple[Tensor, ...], *, alike: bool) -> tuple[Tensor, ...]:
        # One message for all of them: on a network it is the number of messages that takes long.
        packed = torch.cat([part.flatten(1).float() for part in parts], dim=1)
        whole = _gather(packed, self.rank, self._sizes, alike=alike)
        columns = torch.split(whole, [part[0].numel() for part in parts], dim=1)
        return tuple(
            column.reshape(-1, *part.shape[1:]).to(part.dtype)
            for column, part in zip(columns, parts, strict=True)
        )


SINGLE_PROCESS = BatchGroup()


def attach_group(network: nn.Module, group: BatchGroup) -> None:
    """Tell each module that has something to ask of its peers who they are."""
    for module in network.modules():
        if isinstance(getattr(module, "group", None), BatchGroup):
            module.group = group  # type: ignore[assignment]  # torch knows tensors and modules


class _Gather(torch.autograd.Function):
    """`[b, W]` of each worker -> `[B, W]`; b may differ from worker to worker."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, rank: int, sizes: list[int], alike: bool) -> Tensor:
        ctx.rank, ctx.sizes, ctx.alike = rank, sizes, alike
        # Gloo wants messages of one length.
        message = own.new_zeros(max(sizes), *own.shape[1:])
        message[: len(own)] = own
        received = [torch.empty_like(message) for _ in sizes]
        dist.all_gather(received, message)
        return torch.cat([part[:size] for part, size in zip(received, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = gradients
        if ctx.alike:
            gradient = gradient * len(ctx.sizes)
        else:
            gradient = gradient.contiguous().clone()
            dist.all_reduce(gradient)
        own: Tensor = torch.split(gradient, ctx.sizes)[ctx.rank]
        return own, None, None, None


def _gather(own: Tensor, rank: int, sizes: list[int], *, alike: bool) -> Tensor:
    return cast(Tensor, _Gather.apply(own, rank, sizes, alike))
