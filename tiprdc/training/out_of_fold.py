"""Out-of-fold targets: what the kernel adversary predicts in place of labels (`cross_fit`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tiprdc.datasets.schema import Records
from tiprdc.models.inputs import attack_inputs
from tiprdc.training.batches import RecordBatches
from tiprdc.training.game import Game

CrossFit = Callable[[Records, str, int, int], tuple[NDArray[np.float32], float]]
"""Records as attacks read them, private attribute, its classes, seed -> out-of-fold predictions
`[N, K]`, and the share of the attribute that they explain (R^2)."""


def no_cross_fit(records: Records, name: str, classes: int, seed: int) -> tuple[Any, float]:
    """The default: there is no cross-fitting function."""
    raise ValueError("train.objective.cross_fit is set, but the trainer has no cross_fit function")


def out_of_fold_targets(
    game: Game, records: RecordBatches, cross_fit: CrossFit, seed: int
) -> Tensor:
    """Out-of-fold predictions of all private attributes, joined `[N, K]`.

    Also tells the kernel adversary which share of each attribute they explain.
    """
    (batch,) = records.batches([np.arange(len(records))])
    attacked = Records(attack_inputs(batch.x, game.spec), batch.labels, batch.person)
    targets = []
    for i, (name, classes) in enumerate(game.private.items()):
        predictions, label_r2 = cross_fit(attacked, name, classes, seed)
        game.kernel_adversary.label_r2[i] = label_r2
        targets.append(torch.from_numpy(predictions))
    return torch.cat(targets, dim=1)
