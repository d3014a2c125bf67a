"""The epochs of the head: batches, rates and what a checkpoint holds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tiprdc.distributed import BatchGroup, attach_group
from tiprdc.models.extractor import Extractor
from tiprdc.models.layers.head import Head
from tiprdc.training.batches import RecordBatches, step_size
from tiprdc.training.game import Game
from tiprdc.training.head.config import HeadConfig
from tiprdc.training.head.feature_cache import FeatureCache
from tiprdc.training.head.training import (
    ADVERSARY_STEPS,
    HeadLosses,
    HeadTraining,
    build_head_optimiser,
    set_head_rate,
)
from tiprdc.training.head.trunk_features import TrunkFeatures
from tiprdc.training.worker import WorkerContext

STEPS = 100
"""Steps of the head in an epoch."""
_PREFIX = "head_training."


class HeadStep(NamedTuple):
    """One finished step.

    Args:
        epoch: Epochs of the head since its start, with a fraction.
        records: Records in this worker's share of the head's own batch.
        seconds: Wall time, that of the adversary's further steps included.
        losses: Detached.
    """

    epoch: float
    records: int
    seconds: float
    losses: HeadLosses


class HeadPhase:
    """The head's networks and their optimiser, behind a trunk that does not change any more.

    Args:
        config: Length, batch and price.
        game: Its extractor has a head; no other weight learns from here on.
        seed: Seed of the decoder's and adversary's first weights, and of the batches.
        worker, group: Which worker this is.
        told: Told task -> number of classes.
        cache: Features of extractor-train.
    """

    def __init__(
        self,
        config: HeadConfig,
        game: Game,
        seed: int,
        worker: WorkerContext,
        group: BatchGroup,
        told: Mapping[str, int],
        cache: FeatureCache,
    ) -> None:
        assert isinstance(game.extractor, Extractor)
        assert isinstance(game.extractor.head, Head)
        self.config, self.game, self.worker, self.group = config, game, worker, group
        self.seed, self.cache = seed, cache
        game.requires_grad_(False)
        game.extractor.head.requires_grad_(True)
        torch.manual_seed(seed)
        self.networks = HeadTraining(
            config, game.extractor, cache.numbers, game.private, game.weights, told
        )
        attach_group(self.networks, group)
        self.networks.to(worker.device)
        self.optimiser = build_head_optimiser(self.networks)
        self._wrapped = worker.wrap(self.networks)

    def state_dict(self) -> dict[str, Tensor]:
        """Weights of decoder and adversary; those of the head are the extractor's."""
        return {_PREFIX + name: value for name, value in self._others().items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Load what `state_dict` gives; returns the rest of a checkpoint's weights."""
        own = {name: state[_PREFIX + name] for name in self._others()}
        self.networks.load_state_dict(own, strict=False)
        return {name: value for name, value in state.items() if not name.startswith(_PREFIX)}

    def steps(self, records: RecordBatches, epoch: int) -> Iterator[HeadStep]:
        """Take the `STEPS` steps of an epoch.

        Args:
            records: extractor-train.
            epoch: Number of this epoch of the head, from 0.

        Yields:
            Each finished step.
        """
        people = self.cache.moved(records)
        self.networks.train()
        for number, batches in enumerate(self._batches(len(people.z0), epoch)):
            start = time.perf_counter()
            progress = (epoch + number / STEPS) / self.config.epochs
            set_head_rate(self.optimiser, progress)
            for rows in batches[:-1]:
                self._descend(people, rows, progress, only_adversary=True)
            rows = batches[-1]
            losses = self._descend(people, rows, progress).detached()
            seconds = time.perf_counter() - start
            yield HeadStep(epoch + (number + 1) / STEPS, len(rows), seconds, losses)

    def _descend(
        self, people: TrunkFeatures, rows: Tensor, progress: float, *,
        only_adversary: bool = False,
    ) -> HeadLosses:  # fmt: skip
        losses: HeadLosses = self._wrapped(
            *(part[rows] for part in people), progress, only_adversary
        )
        self.optimiser.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return losses

    def _batches(self, records: int, epoch: int) -> Iterator[list[Tensor]]:
        """This worker's rows of each batch of each step: the adversary's own, then the head's."""
        size = step_size(records, self.config.batch, self.group)
        rng = np.random.default_rng([self.seed, epoch, 1])
        for _ in range(STEPS):
            rows = torch.from_numpy(rng.integers(records, size=(ADVERSARY_STEPS + 1, size)))
            yield [self.group.split(batch).to(self.worker.device) for batch in rows]

    def _others(self) -> dict[str, Tensor]:
        state = self.networks.state_dict()
        return {name: value for name, value in state.items() if not name.startswith("head.")}
