"""CLUB after each epoch: how much of u a small classifier still finds in z. A diagnostic only.

Training does not use it, and no decision follows from it. It is one small classifier, on people of
the extractor's training set: it finds less than the audit's attackers, and a value of 0 proves
nothing.
"""

from __future__ import annotations

import numpy as np

from tiprdc.objectives.club import club_of_features
from tiprdc.training.batches import RecordBatches
from tiprdc.training.trainer import Trainer

CLUB = "club_"
"""Prefix of a private attribute: its key in an epoch's summary."""
_RECORDS = 1536


def diagnose(trainer: Trainer, records: RecordBatches) -> dict[str, float]:
    """CLUB of each private attribute in the features of some of extractor-train.

    The records are the same after each epoch, so that a curve shows the extractor. The features
    are as released, with noise and levels. No weight changes. Random numbers of torch may be
    drawn, but each epoch starts from a seed of its own.

    Args:
        trainer: After an epoch.
        records: extractor-train.

    Returns:
        `club_<attribute>` -> nats.
    """
    rows = np.random.default_rng(trainer.seed).permutation(len(records))[:_RECORDS]
    (sample,) = records.batches([rows])
    z = trainer.features(sample)
    return {
        f"{CLUB}{name}": club_of_features(z, sample.labels[name], classes, trainer.seed)
        for name, classes in trainer.game.private.items()
    }
