"""Fit a trunk of principal components before the first epoch; it does not change any more."""

from __future__ import annotations

import numpy as np

from tiprdc.models.extractor import Extractor
from tiprdc.models.linear_noise import MAX_FITTED
from tiprdc.models.trunks.principal_components import PrincipalComponents
from tiprdc.training.batches import RecordBatches
from tiprdc.training.game import Game


def components_of(game: Game) -> PrincipalComponents | None:
    """The extractor's trunk if it is one of principal components."""
    if not isinstance(game.extractor, Extractor):
        return None
    trunk = game.extractor.trunk
    return trunk if isinstance(trunk, PrincipalComponents) else None


def fit_components(game: Game, records: RecordBatches, seed: int) -> None:
    """Set the trunk's components; does nothing to a trunk of another kind.

    Args:
        game: Before the first step.
        records: extractor-train.
        seed: Draws the records, at most `MAX_FITTED`, and starts the decomposition.
    """
    trunk = components_of(game)
    if trunk is None:
        return
    assert isinstance(game.extractor, Extractor)
    rows = np.random.default_rng([seed, 6]).permutation(len(records))[:MAX_FITTED]
    (sample,) = records.batches([np.sort(rows)])
    trunk.fit(sample.x, game.extractor.normalise, seed)
