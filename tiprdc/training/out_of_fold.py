"""Out-of-fold targets: what the kernel adversary predicts in place of labels (`cross_fit`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tiprdc.datasets.schema import Records
from tiprdc.models.inputs import InputSpec, attack_inputs
from tiprdc.training.batches import RecordBatches
from tiprdc.training.game import Game

CrossFit = Callable[[Records, str, int, int], tuple[NDArray[np.float32], float]]
"""Records as attacks read them, private attribute, its classes, seed -> out-of-fold predictions
`[N, K]`, and the share of the attribute that they explain (R^2)."""
Predictions = Mapping[str, tuple[NDArray[np.float32], float]]
"""Private attribute -> what `CrossFit` gives."""


def no_cross_fit(records: Records, name: str, classes: int, seed: int) -> tuple[Any, float]:
    """The default: there is no cross-fitting function."""
    raise ValueError("train.objective.cross_fit is set, but the trainer has no cross_fit function")


def predict_out_of_fold(
    records: RecordBatches,
    spec: InputSpec,
    private: Mapping[str, int],
    cross_fit: CrossFit,
    seed: int,
) -> Predictions:
    """Out-of-fold predictions of private attributes, from all records at once.

    Args:
        records: extractor-train.
        spec: What a record is.
        private: Private attribute -> number of classes.
        cross_fit: Predicts one attribute.
        seed: The same seed gives the same predictions.
    """
    (batch,) = records.batches([np.arange(len(records))])
    attacked = Records(attack_inputs(batch.x, spec), batch.labels, batch.person)
    return {name: cross_fit(attacked, name, classes, seed) for name, classes in private.items()}


def out_of_fold_targets(game: Game, predictions: Predictions) -> Tensor:
    """Predictions of all private attributes, joined `[N, K]`.

    Also tells the kernel adversary which share of each attribute they explain.
    """
    targets = []
    for i, name in enumerate(game.private):
        of_name, game.kernel_adversary.label_r2[i] = predictions[name]
        targets.append(torch.from_numpy(of_name))
    return torch.cat(targets, dim=1)
