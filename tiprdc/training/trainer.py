"""Play the game for some epochs: the order of the data, the rates, the pressure.

Everything random in an epoch follows from (seed, epoch), so that a run that goes on from a
checkpoint, with as many workers or not, sees the same batches in the same order as one that was
never stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tiprdc.datasets.schema import Records
from tiprdc.distributed import BatchGroup, attach_group
from tiprdc.errors import DataError
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec, attack_inputs
from tiprdc.models.leace import LeaceLayer
from tiprdc.models.networks import NetworkFactory, build_networks
from tiprdc.training.game import Game, Losses
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig

_CHUNK = 1024
"""Records that go through the extractor at once where nothing is learnt."""


@dataclass(frozen=True)
class WorkerContext:
    """Which worker this is, and where it computes.

    Args:
        rank: Number of this worker, 0 to world - 1.
        world: Number of workers.
        device: Where its tensors live.
        wrap: Makes a module synchronise gradients with the other workers.
    """

    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    wrap: Callable[[nn.Module], nn.Module] = lambda module: module


class RecordBatches(Protocol):
    """Where records come from: `Records` in memory, or a network, a little ahead of their use."""

    def __len__(self) -> int: ...

    def batches(self, rows: Iterable[NDArray[np.intp]]) -> Iterator[Records]:
        """One batch of rows after another, in the order asked for."""
        ...


CrossFit = Callable[[Records, str, int, int], tuple[NDArray[np.float32], float]]
"""Records as attacks see them, private attribute, its classes, seed -> what is believed `[N, K]`,
and how much of the attribute that explains."""


def no_cross_fit(records: Records, name: str, classes: int, seed: int) -> tuple[Any, float]:
    """No belief: whoever plays by `cross_fit` says who believes."""
    raise ValueError("train.objective.cross_fit, and nobody was named who believes")


class Step(NamedTuple):
    """One step, for whoever watches.

    Args:
        epoch: Epochs since the start, with a fraction.
        records: Records in this worker's share.
        waiting: Seconds in which this worker waited for them.
        seconds: Wall time of the whole step; where a device works on its own, of handing it over.
        privacy_weight: lambda in force.
        losses: Cut off from the graph; reading one waits for the device.
    """

    epoch: float
    records: int
    waiting: float
    seconds: float
    privacy_weight: float
    losses: Losses


class Trainer:
    """The players, their optimiser and the number of the next epoch: what a checkpoint holds.

    Args:
        game_config: The rules.
        extractor_config: The extractor's architecture.
        schedule: How long, how fast.
        spec: What a record is.
        private: Private attribute -> number of classes.
        seed: Seed of the first weights and of each epoch.
        place: Which worker this is.
        network_factory: Builds the networks.
        cross_fit: Called once if the objective has `cross_fit`, as `attacks.cross_fitting` does.
        resuming: Whether a checkpoint is loaded next, so that pretrained weights are not needed.
    """

    def __init__(
        self,
        game_config: ObjectiveConfig,
        extractor_config: ExtractorConfig,
        schedule: ScheduleConfig,
        spec: InputSpec,
        private: Mapping[str, int],
        *,
        seed: int,
        place: WorkerContext = WorkerContext(),
        network_factory: NetworkFactory = build_networks,
        cross_fit: CrossFit = no_cross_fit,
        resuming: bool = False,
    ) -> None:
        torch.manual_seed(seed)
        self.schedule, self.seed, self.place = schedule, seed, place
        self.epoch, self.history = 0, list[dict[str, float]]()
        self._pressure = 0.0
        self._believe = cross_fit
        self._believed: Tensor | None = None
        if resuming:
            extractor_config = extractor_config.started()
        self.group = BatchGroup(place.rank, place.world)
        self.game = Game(game_config, extractor_config, spec, private, network_factory)
        attach_group(self.game, self.group)
        # Convolutions are fastest on maps whose channels lie side by side, and bf16's demand it.
        self.game.to(place.device).to(memory_format=torch.channels_last)
        self.optimiser = torch.optim.AdamW(
            [
                {
                    "params": list(self.game.extractor.parameters()),
                    "lr": schedule.extractor_rate,
                    "weight_decay": schedule.weight_decay,
                },
                {
                    "params": list(self.game.critic.parameters()),
                    "lr": schedule.critic_rate,
                },
                {
                    "params": [
                        *self.game.adversaries.parameters(),
                        *self.game.rebuilder.parameters(),
                        *self.game.decoders.parameters(),
                    ],
                    "lr": schedule.adversary_rate,
                },
            ],
            betas=(0.5, 0.999),
            weight_decay=0.0,
            fused=True,
        )
        self._wrapped = place.wrap(self.game)

    def train_epoch(
        self, records: RecordBatches, watch: Callable[[Step], None] | None = None
    ) -> dict[str, float]:
        """One pass over the records.

        Args:
            records: extractor-train, the same on every worker: each takes its share of a step.
            watch: Called after each step.

        Returns:
            The epoch's mean losses by name, its `epoch` (from 1) and `steps`, the `privacy_weight`
            in force at its end, `records_per_second` of all workers, the `waiting_seconds` in which
            this one waited for data, and its `seconds`.
        """
        started = time.perf_counter()
        if self.game.config.cross_fit and self._believed is None:
            self._believed = self._cross_fitted(records)
        self._seed_epoch()
        self.game.train()
        self.game.forget_fits()
        sums = torch.zeros(len(Losses._fields), device=self.place.device)
        batches = list(self._batches(len(records)))
        coming = records.batches(rows.numpy() for rows in batches)
        waiting, seen = 0.0, 0
        for number, rows in enumerate(batches):
            began = time.perf_counter()
            self._set_rates(self.epoch + number / len(batches))
            batch = (*self._placed(next(coming)), self._believed_of(rows))
            waited = time.perf_counter() - began
            losses = Losses(*(value.detach() for value in self._step(*batch)))
            sums += torch.stack([value.float() for value in losses])
            waiting, seen = waiting + waited, seen + self.group.records(len(rows))
            if watch:
                step = Step(
                    epoch=self.epoch + (number + 1) / len(batches),
                    records=len(rows),
                    waiting=waited,
                    seconds=time.perf_counter() - began,
                    privacy_weight=self.privacy_weight,
                    losses=losses,
                )
                watch(step)
        self.epoch += 1
        means = dict(zip(Losses._fields, (sums / len(batches)).tolist(), strict=True))
        seconds = time.perf_counter() - started
        summary = {
            "epoch": self.epoch,
            **means,
            "steps": len(batches),
            "privacy_weight": self.privacy_weight,
            "records_per_second": seen / seconds,
            "waiting_seconds": waiting,
            "seconds": seconds,
        }
        self.history.append(summary)
        if self.epoch == self.schedule.epochs:
            self._guard(records)
        return summary

    @property
    def privacy_weight(self) -> float:
        """lambda in force at the last step: 0 in the warm-up."""
        return self.game.config.privacy_weight * self._pressure

    def features(self, records: Records) -> NDArray[np.float32]:
        """z `[N, D]` of records as the extractor stands, without the game's noise."""
        return self._through(self.game.extractor, records).numpy()

    def _through(self, network: Callable[[Tensor], Tensor], records: Records) -> Tensor:
        self.game.eval()
        with torch.inference_mode():
            parts = torch.split(torch.from_numpy(records.x), _CHUNK)
            return torch.cat([network(part.to(self.place.device)).cpu() for part in parts])

    def _guard(self, records: RecordBatches) -> None:
        """Erase what a linear attacker would find in the features that training ended with."""
        extractor = self.game.extractor
        if isinstance(extractor, Extractor) and isinstance(extractor.leace, LeaceLayer):
            z, u = [], []
            everyone = np.arange(len(records))
            rows = np.split(everyone, everyone[_CHUNK::_CHUNK])
            for chunk in records.batches(rows):
                z.append(self._through(extractor.whitened, chunk))
                u.append(self._labels(chunk))
            labels, classes = torch.cat(u), self.game.private.values()
            hot = [F.one_hot(labels[:, i], k) for i, k in enumerate(classes)]
            extractor.leace.fit(torch.cat(z), torch.cat(hot, dim=1))

    def _placed(self, batch: Records) -> tuple[Tensor, Tensor]:
        """x `[B, *shape]` and u `[B, A]`, where they are worked on."""
        device = self.place.device
        return torch.from_numpy(batch.x).to(device), self._labels(batch).to(device)

    def _labels(self, records: Records) -> Tensor:
        """u `[N, A]` in the order of the game's attributes."""
        private = [torch.from_numpy(records.labels[name]) for name in self.game.private]
        return torch.stack(private, dim=1)

    def _cross_fitted(self, records: RecordBatches) -> Tensor:
        """What is believed of everyone's private attributes, joined `[N, K]`."""
        everyone = np.arange(len(records))
        (every,) = records.batches([everyone])
        spec, found = self.game.spec, []
        every = Records(attack_inputs(every.x, spec), every.labels, every.person)
        for i, (name, classes) in enumerate(self.game.private.items()):
            beliefs, self.game.label_r2[i] = self._believe(every, name, classes, self.seed)
            found.append(torch.from_numpy(beliefs))
        return torch.cat(found, dim=1)

    def _believed_of(self, rows: Tensor) -> Tensor | None:
        """What is believed of these people, where that is asked for."""
        return None if self._believed is None else self._believed[rows].to(self.place.device)

    def _step(self, x: Tensor, u: Tensor, believed: Tensor | None) -> Losses:
        losses, z = self._descend(x, u, believed=believed)
        if self.game.config.adversaries or self.game.config.reconstruction:
            for _ in range(self.game.config.adversary_steps - 1):
                self._descend(x, u, z)
        return losses

    def _descend(
        self, x: Tensor, u: Tensor, z: Tensor | None = None, believed: Tensor | None = None
    ) -> tuple[Losses, Tensor]:
        mixed = self.schedule.precision == "bf16"
        with torch.autocast(self.place.device.type, torch.bfloat16, enabled=mixed):
            losses, z = self._wrapped(x, u, self._pressure, z, believed)
        self.optimiser.zero_grad(set_to_none=True)
        losses.total.backward()
        self.optimiser.step()
        return losses, z

    def _seed_epoch(self) -> None:
        # Alike on all workers, for noise of which each takes its part; once the rank was the third.
        sequence = np.random.SeedSequence([self.seed, self.epoch, 0])
        torch.manual_seed(int(sequence.generate_state(1)[0]))

    def _batches(self, records: int) -> Iterator[Tensor]:
        """This worker's rows of each step; the order does not depend on the number of workers."""
        size = min(self.schedule.batch, records)
        if size < 4 * self.place.world:
            raise DataError(
                "extractor-train", f"{records} records for {self.place.world} workers",
                "at least four records a worker in each step", "use fewer workers or more people",
            )  # fmt: skip
        order = np.random.default_rng([self.seed, self.epoch]).permutation(records)
        for start in range(0, records - size + 1, size):
            yield self.group.split(torch.from_numpy(order[start : start + size]))

    def _set_rates(self, progress: float) -> None:
        """Rates and pressure at a moment, in epochs since the start."""
        fall = self.schedule.fall(progress)
        extractor, critic, _ = self.optimiser.param_groups
        extractor["lr"] = self.schedule.extractor_rate * fall
        critic["lr"] = self.schedule.critic_rate * fall
        self._pressure = self.schedule.pressure(progress)
