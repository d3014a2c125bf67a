"""Features of everybody for what comes behind the trunk, computed once: trunk, transport, flow.

A resumed run computes them again and gets the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tiprdc.distributed import BatchGroup
from tiprdc.models.coarse_record import coarse_width
from tiprdc.models.extractor import Extractor
from tiprdc.training.batches import CHUNK, RecordBatches
from tiprdc.training.game import Game
from tiprdc.training.head.transport_fit import fit_transport
from tiprdc.training.head.trunk_features import TrunkFeatures, trunk_features


class Moved(NamedTuple):
    """What the transport makes of everybody.

    Args:
        z: Features `[M, D]`.
        guesses: What is guessed of the private attributes, less the uniform guess `[M, K]`.
        known: Private attributes, then told tasks `[M, A + T]`, int64.
        record: What the records say coarsely `[M, R]`.
    """

    z: Tensor
    guesses: Tensor
    known: Tensor
    record: Tensor


class FeatureCache:
    """Features of extractor-train and of copies of pictures, at each place behind the trunk.

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
        self._moved: Moved | None = None
        self._flowed: Tensor | None = None

    @property
    def numbers(self) -> int:
        """R, how many numbers a record is predicted as."""
        return coarse_width(self.extractor.spec)

    def moved(self, records: RecordBatches) -> Moved:
        """What the transport moved; it is fitted first.

        Args:
            records: extractor-train.
        """
        if self._moved is None:
            z0, known, record = self._trunk or trunk_features(
                self.game, records, self.seed, self.device, self.group, self.told
            )
            copies = len(z0) // len(records)
            moved = fit_transport(self.extractor.transport, z0, known, copies, self.seed)
            self._moved = Moved(*moved, known, record)
            self._trunk = None
        return self._moved

    def flowed(self, records: RecordBatches) -> TrunkFeatures:
        """Everybody behind the flow.

        Args:
            records: extractor-train.
        """
        moved = self.moved(records)
        if self._flowed is None:
            self._flowed = self.through(0, self.extractor.config.flow, moved.z, moved.guesses)
        return TrunkFeatures(self._flowed, moved.known, moved.record)

    def keep(self, flowed: Tensor) -> None:
        """Take features behind the whole flow from its training."""
        self._flowed = flowed

    @torch.no_grad()
    def through(self, first: int, end: int, z: Tensor, guesses: Tensor) -> Tensor:
        """Features `[M, D]` behind rounds `first` to `end - 1`, each worker moving its share."""
        self.extractor.flow.eval()
        rows = self.group.split(torch.arange(len(z)))
        parts = []
        for chunk in torch.split(rows, CHUNK):
            part, guess = z[chunk], guesses[chunk]
            for number in range(first, end):
                part = self.extractor.flow.round(number)(part, guess)
            parts.append(part)
        (whole,) = self.group.all_gather(torch.cat(parts))
        return whole
