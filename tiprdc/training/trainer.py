"""Train for some epochs: batches, rates, warm-up, and the state that a checkpoint holds.

The epochs of the trunk come first, then those of the head if there is one.

All randomness of an epoch follows from (seed, epoch): a resumed run equals an uninterrupted one,
with the same number of workers or another one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tiprdc.datasets.schema import Records
from tiprdc.distributed import BatchGroup, attach_group
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.networks import NetworkFactory, build_networks
from tiprdc.models.precision import set_products
from tiprdc.training.batches import RecordBatches, epoch_batches
from tiprdc.training.components_fit import components_of, fit_components
from tiprdc.training.device_batches import device_batches
from tiprdc.training.features import batched_output
from tiprdc.training.game import Game
from tiprdc.training.head.codebook_fit import codebook_of, fit_codebook
from tiprdc.training.head.config import HeadConfig
from tiprdc.training.head.feature_cache import FeatureCache
from tiprdc.training.head.phase import HeadPhase
from tiprdc.training.head.training import HeadLosses
from tiprdc.training.head.trunk_features import TrunkFeatures
from tiprdc.training.leace_fit import fit_leace
from tiprdc.training.losses import Losses
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.optimiser import build_optimiser, set_rates
from tiprdc.training.out_of_fold import (
    CrossFit,
    Predictions,
    no_cross_fit,
    out_of_fold_targets,
    predict_out_of_fold,
)
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.worker import SINGLE_WORKER, WorkerContext

_HEAD = HeadConfig()


class Step(NamedTuple):
    """One finished step.

    Args:
        epoch: Epochs since the start, with a fraction.
        records: Records in this worker's share.
        waiting: Seconds for which this worker waited for them.
        seconds: Wall time of the whole step; on an asynchronous device, of its submission.
        privacy_weight: lambda in force.
        losses: Of the trunk, or of the head, detached; reading one waits for the device.
    """

    epoch: float
    records: int
    waiting: float
    seconds: float
    privacy_weight: float
    losses: Losses | HeadLosses


class Trainer:
    """All networks, their optimiser and the number of the next epoch: what a checkpoint holds.

    Args:
        objective: The training objective.
        extractor_config: The extractor's architecture.
        schedule: Length and rates.
        spec: What a record is.
        private: Private attribute -> number of classes.
        seed: Seed of the initial weights and of each epoch.
        head: The head's training, if the architecture has a head.
        told: Task -> number of classes, of the tasks that the head is told.
        worker: Which worker this is.
        network_factory: Builds the networks.
        cross_fit: Called once if the objective has `cross_fit`, as `attacks.cross_fitting` does.
        predictions: What it would give, where that is known already.
        resuming: Whether a checkpoint is loaded next, so that pretrained weights are not needed.
    """

    def __init__(
        self,
        objective: ObjectiveConfig,
        extractor_config: ExtractorConfig,
        schedule: ScheduleConfig,
        spec: InputSpec,
        private: Mapping[str, int],
        *,
        seed: int,
        head: HeadConfig = _HEAD,
        told: Mapping[str, int] = MappingProxyType({}),
        worker: WorkerContext = SINGLE_WORKER,
        network_factory: NetworkFactory = build_networks,
        cross_fit: CrossFit = no_cross_fit,
        predictions: Predictions | None = None,
        resuming: bool = False,
    ) -> None:
        torch.manual_seed(seed)
        set_products(schedule.precision)
        self.schedule, self.seed, self.worker = schedule, seed, worker
        self.epoch, self.history = 0, list[dict[str, float]]()
        self._pressure, self.told = 0.0, dict(told)
        self._cross_fit, self._predictions = cross_fit, predictions
        self._targets: Tensor | None = None
        if resuming:
            extractor_config = extractor_config.without_pretrained()
        self.group = BatchGroup(worker.rank, worker.world)
        self.game = Game(objective, extractor_config, spec, private, network_factory)
        attach_group(self.game, self.group)
        self.head_config = head
        self.phase: HeadPhase | None = None
        self._cache: FeatureCache | None = None
        if extractor_config.head:
            # The head learns later: until then it is the identity.
            cast(Extractor, self.game.extractor).head.requires_grad_(False)
        if components := components_of(self.game):
            components.requires_grad_(False)
        # Convolutions are fastest in channels-last layout, and those of bf16 need it.
        self.game.to(worker.device).to(memory_format=torch.channels_last)
        self._optimiser = build_optimiser(self.game, schedule)
        self._wrapped = worker.wrap(self.game)

    @property
    def epochs(self) -> int:
        """Epochs in all: those of the trunk and the head."""
        behind = self.head_config.epochs_behind_trunk(self.game.extractor_config)
        return self.schedule.epochs + behind

    @property
    def optimiser(self) -> torch.optim.AdamW:
        """The optimiser of the phase that the training is in."""
        return self.phase.optimiser if self.phase else self._optimiser

    def begin_head(self) -> HeadPhase:
        """The phase that trains the head; the trunk learns no more."""
        if self.phase is None:
            self.phase = HeadPhase(
                self.head_config, self.game, self.seed, self.worker, self.group, self.told,
                self._features_behind_trunk(),
            )  # fmt: skip
        return self.phase

    def _features_behind_trunk(self, trunk: TrunkFeatures | None = None) -> FeatureCache:
        if self._cache is None:
            self._cache = FeatureCache(
                self.game, self.seed, self.worker.device, self.group, tuple(self.told), trunk
            )
        return self._cache

    def skip_trunk(self, people: TrunkFeatures) -> None:
        """Go to the epochs of the head, behind a trunk that was trained elsewhere.

        Args:
            people: As `trunk_features` gives them.
        """
        self.epoch = self.schedule.epochs
        self._features_behind_trunk(people.to(self.worker.device))

    @property
    def privacy_weight(self) -> float:
        """lambda in force at the last step: 0 in the warm-up."""
        return self.game.config.privacy_weight * self._pressure

    def train_epoch(
        self, records: RecordBatches, on_step: Callable[[Step], None] | None = None
    ) -> dict[str, float]:
        """One pass over the records.

        Args:
            records: extractor-train, the same on every worker: each takes its share of a step.
            on_step: Called after each step.

        Returns:
            The epoch's mean losses by name, its `epoch` (from 1) and `steps`, the `privacy_weight`
            in force at its end, `records_per_second` of all workers, the `waiting_seconds` for
            which this worker waited for data, and its `seconds`.
        """
        start, count, waiting, steps = time.perf_counter(), 0, 0.0, 0
        in_trunk = self.epoch < self.schedule.epochs
        sums = torch.zeros((), device=self.worker.device)
        for step in self._trunk_steps(records) if in_trunk else self._head_steps(records):
            sums = sums + torch.stack([value.float() for value in step.losses])
            waiting, count = waiting + step.waiting, count + self.group.records(step.records)
            steps += 1
            if on_step:
                on_step(step)
        names = Losses._fields if in_trunk else HeadLosses._fields
        self.epoch += 1
        seconds = time.perf_counter() - start
        summary = {
            "epoch": self.epoch,
            **dict(zip(names, (sums / steps).tolist(), strict=True)),
            "steps": steps,
            "privacy_weight": self.privacy_weight,
            "records_per_second": count / seconds,
            "waiting_seconds": waiting,
            "seconds": seconds,
        }
        self.history.append(summary)
        if self.epoch == self.epochs:
            fit_leace(self.game, records, self.worker.device)
            self._fit_codebook(records)
        return summary

    def _fit_codebook(self, records: RecordBatches) -> None:
        """Set the codes, if there are some, on the features that a head was trained on."""
        codebook = codebook_of(self.game)
        if codebook is None:
            return
        z0 = self._features_behind_trunk().moved(records).z0
        self.game.eval()
        extractor = cast(Extractor, self.game.extractor)
        fit_codebook(extractor, codebook, z0.view(len(records), -1, z0.shape[1]), self.seed)

    def _trunk_steps(self, records: RecordBatches) -> Iterator[Step]:
        self._begin_epoch(records)
        rows_by_step = list(self._epoch_batches(len(records)))
        batches = device_batches(
            records.batches(rows.numpy() for rows in rows_by_step),
            self.game.private, self.worker.device,
        )  # fmt: skip
        for number, rows in enumerate(rows_by_step):
            start = time.perf_counter()
            self._set_progress(self.epoch + number / len(rows_by_step))
            x, u = next(batches)
            targets = self._targets_of(rows)
            waiting = time.perf_counter() - start
            losses = self._step(x, u, targets).detached()
            yield Step(
                epoch=self.epoch + (number + 1) / len(rows_by_step),
                records=len(rows),
                waiting=waiting,
                seconds=time.perf_counter() - start,
                privacy_weight=self.privacy_weight,
                losses=losses,
            )

    def _head_steps(self, records: RecordBatches) -> Iterator[Step]:
        phase, first = self.begin_head(), self.schedule.epochs
        self._seed_epoch()
        for step in phase.steps(records, self.epoch - first):
            yield Step(
                epoch=first + step.epoch,
                records=step.records,
                waiting=0.0,
                seconds=step.seconds,
                privacy_weight=self.privacy_weight,
                losses=step.losses,
            )

    def features(self, records: Records) -> NDArray[np.float32]:
        """z `[N, D]` of records by the current extractor, without the objective's noise."""
        self.game.eval()
        z: NDArray[np.float32] = batched_output(
            self.game.extractor, records.x, self.worker.device
        ).numpy()
        return z

    def _begin_epoch(self, records: RecordBatches) -> None:
        if self.game.config.cross_fit and self._targets is None:
            predictions = self._predictions or predict_out_of_fold(
                records, self.game.spec, self.game.private, self._cross_fit, self.seed
            )
            self._targets = out_of_fold_targets(self.game, predictions).to(self.worker.device)
        if self.epoch == 0:
            fit_components(self.game, records, self.seed)
        self._seed_epoch()
        self.game.train()
        self.game.kernel_adversary.reset_fit()

    def _seed_epoch(self) -> None:
        # The same on all workers, since each takes its part of the same noise.
        sequence = np.random.SeedSequence([self.seed, self.epoch, 0])
        torch.manual_seed(int(sequence.generate_state(1)[0]))

    def _epoch_batches(self, records: int) -> Iterator[Tensor]:
        return epoch_batches(
            records, self.schedule.batch, seed=self.seed, epoch=self.epoch, group=self.group
        )

    def _set_progress(self, progress: float) -> None:
        """Set learning rates and pressure; `progress` is in epochs since the start."""
        set_rates(self._optimiser, self.schedule, progress)
        self._pressure = self.schedule.pressure(progress)

    def _targets_of(self, rows: Tensor) -> Tensor | None:
        """Out-of-fold targets of these records, if the objective uses them."""
        return None if self._targets is None else self._targets[rows.to(self.worker.device)]

    def _step(self, x: Tensor, u: Tensor, targets: Tensor | None) -> Losses:
        """A step of all networks, then the further steps of the adversaries."""
        losses, z = self._descend(x, u, targets=targets)
        if self.game.config.adversaries or self.game.config.reconstruction:
            for _ in range(self.game.config.adversary_steps - 1):
                self._descend(x, u, z)
        return losses

    def _descend(
        self, x: Tensor, u: Tensor, z: Tensor | None = None, targets: Tensor | None = None
    ) -> tuple[Losses, Tensor]:
        mixed = self.schedule.precision == "bf16"
        with torch.autocast(self.worker.device.type, torch.bfloat16, enabled=mixed):
            losses, z = self._wrapped(x, u, self._pressure, z, targets)
        self._optimiser.zero_grad(set_to_none=True)
        losses.total.backward()
        self._optimiser.step()
        return losses, z
