"""Features of everybody for what comes behind the trunk, computed once: trunk, then transport.

A resumed run computes them again and gets the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tiprdc.distributed import BatchGroup
from tiprdc.models.coarse_record import coarse_width
from tiprdc.models.extractor import Extractor
from tiprdc.training.batches import RecordBatches
from tiprdc.training.game import Game
from tiprdc.training.head.transport_fit import fit_transport
from tiprdc.training.head.trunk_features import TrunkFeatures, trunk_features


class FeatureCache:
    """Features of extractor-train and of copies of pictures, behind the transport.

    Args:
        game: With an extractor whose trunk does not change any more.
        seed: Of copies and transport.
        device: Where the features are.
        group: The workers; each has everybody's features.
        told: Told tasks.
        trunk: What is behind the trunk, where that is known already.
    """

    def __init__(
        self, game: Game, seed: int, device: torch.device, group: BatchGroup, told: Sequence[str],
        trunk: TrunkFeatures | None = None,
    ) -> None:  # fmt: skip
        assert isinstance(game.extractor, Extractor)
        self.game, self.extractor, self.seed = game, game.extractor, seed
        self.device, self.group, self.told = device, group, tuple(told)
        self._trunk = trunk
        self._moved: TrunkFeatures | None = None

    @property
    def numbers(self) -> int:
        """R, how many numbers a record is predicted as."""
        return coarse_width(self.extractor.spec)

    def moved(self, records: RecordBatches) -> TrunkFeatures:
        """Everybody behind the transport; it is fitted first.

        Args:
            records: extractor-train.
        """
        if self._moved is None:
            z0, known, record = self._trunk or trunk_features(
                self.game, records, self.seed, self.device, self.group, self.told
            )
            copies = len(z0) // len(records)
            z = fit_transport(self.extractor.transport, z0, known, copies, self.seed)
            self._moved = TrunkFeatures(z, known, record)
            self._trunk = None
        return self._moved
