"""What a classifier on the side still finds of u in z while training: CLUB, epoch by epoch.

Nothing is trained by it and nothing decided: one small classifier, on people whom the extractor
was trained on, finds less than the audit's attackers, and nothing may be concluded from 0.
"""

from __future__ import annotations

import numpy as np

from tiprdc.objectives.club import club_of_features
from tiprdc.training.trainer import RecordBatches, Trainer

CLUB = "club_"
"""Before the name of a private attribute: the key of its figure in an epoch's summary."""
_RECORDS = 1536


def diagnose(trainer: Trainer, records: RecordBatches) -> dict[str, float]:
    """CLUB of each private attribute in the features of some of extractor-train.

    They are the same records after each epoch, so that a curve is about the extractor. Features are
    as they would be released, with a release's noise and levels. Weights stay as they are; random
    numbers of torch may be drawn, but each epoch starts from a seed of its own.

    Args:
        trainer: As it stands after an epoch.
        records: extractor-train.

    Returns:
        `club_<attribute>` -> nats.
    """
    chosen = np.random.default_rng(trainer.seed).permutation(len(records))[:_RECORDS]
    (some,) = records.batches([chosen])
    z = trainer.features(some)
    return {
        f"{CLUB}{name}": club_of_features(z, some.labels[name], classes, trainer.seed)
        for name, classes in trainer.game.private.items()
    }
