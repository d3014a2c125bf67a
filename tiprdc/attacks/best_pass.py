"""The training loop of attacks: AdamW with a one-cycle rate; keeps the weights of the best pass."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn


def train_best_pass(
    network: nn.Module,
    rows: Tensor,
    batch_loss: Callable[[Tensor], Tensor],
    holdout_loss: Callable[[], float],
    *,
    passes: int,
    steps: int,
    learning_rate: float,
    weight_decay: float = 1e-2,
    warmup: float = 0.3,
) -> float:
    """Train in place and end with the weights of the pass that did best on the holdout.

    Order of rows and dropout follow torch's global generator, which the caller seeds.

    Args:
        network: Any; put into training mode before each pass.
        rows: Row numbers `[N]` to train on.
        batch_loss: Row numbers of a batch -> its loss, a scalar.
        holdout_loss: The loss on the holdout after a pass.
        passes: Number of passes over the rows; all are made.
        steps: Batches of a pass.
        learning_rate: Peak learning rate.
        weight_decay: Weight decay of AdamW.
        warmup: Share of the steps in which the learning rate rises, 0 to 1.

    Returns:
        The smallest holdout loss; infinite if no pass gave a finite one.
    """
    optimiser = torch.optim.AdamW(
        network.parameters(), learning_rate, weight_decay=weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, learning_rate, epochs=passes, steps_per_epoch=steps, pct_start=warmup
    )
    best, weights = np.inf, copy.deepcopy(network.state_dict())
    for _ in range(passes):
        network.train()
        for batch in rows[torch.randperm(len(rows))].tensor_split(steps):
            loss = batch_loss(batch)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimiser.step()
            schedule.step()
        after = holdout_loss()
        if after < best:
            best, weights = after, copy.deepcopy(network.state_dict())
    network.load_state_dict(weights)
    return best
