"""Fit the extractor's LEACE layer on the features that training ended with."""

from __future__ import annotations

import torch
from torch import Tensor

from tiprdc.models.extractor import Extractor
from tiprdc.models.layers.leace import LeaceLayer
from tiprdc.training.batches import RecordBatches, chunks, labels, one_hot
from tiprdc.training.features import batched_output
from tiprdc.training.game import Game


def fit_leace(game: Game, records: RecordBatches, device: torch.device) -> None:
    """Erase what a linear attacker would find; does nothing to an extractor without that layer.

    Args:
        game: In evaluation mode afterwards.
        records: extractor-train.
        device: Where the extractor is.
    """
    extractor = game.extractor
    if not (isinstance(extractor, Extractor) and isinstance(extractor.leace, LeaceLayer)):
        return
    game.eval()
    z: list[Tensor] = []
    u: list[Tensor] = []
    for chunk in chunks(records):
        z.append(batched_output(extractor.before_leace, chunk.x, device))
        u.append(labels(chunk, game.private))
    extractor.leace.fit(torch.cat(z), one_hot(torch.cat(u), game.private.values()))
