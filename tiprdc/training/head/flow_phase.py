"""The flow's epochs, one for each round: a discriminator learns, then everybody is moved.

    discriminator   minimises CE(l(z + n), u) + E |r(z + n) - record|^2

n is the noise of the release. What a record says coarsely teaches a network more of each person
than u does (tiprdc/models/coarse_record.py). Each round has a discriminator of its own, from new
weights and with many steps: one that goes on from round to round is fooled by moves that another
reads, and so are all that start from one network. The step's length closes the gap between classes
to first order, measured on held-out people. Where they show no gap nobody is moved.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from tiprdc.distributed import SINGLE_PROCESS, BatchGroup, attach_group
from tiprdc.errors import ConfigError
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.layers.channel import Channel
from tiprdc.models.layers.discriminator import Discriminator
from tiprdc.models.layers.flow import Round
from tiprdc.models.seeds import seeded
from tiprdc.training.batches import CHUNK, RecordBatches, step_size
from tiprdc.training.game import Game
from tiprdc.training.head.config import LEAST_RECORDS
from tiprdc.training.head.feature_cache import FeatureCache, Moved
from tiprdc.training.head.phase import HeadStep
from tiprdc.training.head.reading import Reading
from tiprdc.training.head.training import HeadLosses
from tiprdc.training.schedule_config import cosine_decay
from tiprdc.training.worker import WorkerContext

STEPS = 6000
"""Of a round. What is left after the first is spread thin: with 2,500 steps a discriminator
overlooks it."""
_BATCH = 512
_RATE, _DECAY, _WARM_UP = 4e-3, 2e-2, 0.15
"""Peak rate, weight decay, and share of the steps in which the rate rises."""
_LEAST_SLOPE = 1e-9
_ERRORS = 2.0
"""Standard errors that the gap between classes must exceed."""
MANY = 200_000
"""Records with which a flow was seen to hide from strangers what it hides from these people."""
_FARTHEST = 0.3
"""Most that a round moves features, as root mean square, in their standard deviations."""
_HELD_OUT, _MOST_HELD_OUT = 0.05, 10_000


def check_flow(extractor: ExtractorConfig, spec: InputSpec, records: int) -> None:
    """Refuse a flow that cannot be trained.

    Args:
        extractor: The architecture.
        spec: What a record is.
        records: Records in extractor-train.

    Raises:
        ConfigError: It is behind a network, or there are too few records for its transport.
    """
    extractor.check_flow(spec)
    least = LEAST_RECORDS * extractor.features
    if extractor.flow and records < least:
        raise ConfigError(
            "train.extractor.flow",
            f"{extractor.flow} rounds on {extractor.features} features of {records:,} records",
            f"at least {least:,} records, {LEAST_RECORDS} for each feature",
            "set train.extractor.flow: 0 and train.extractor.head: 512",
        )  # fmt: skip


def few_for_flow(extractor: ExtractorConfig, records: int) -> str | None:
    """Why a flow on so few records hides little from strangers; None where it does, or no flow.

    Args:
        extractor: The architecture.
        records: Records in extractor-train.
    """
    if not extractor.flow or records >= MANY:
        return None
    return (
        f"train.extractor.flow: {records:,} records are few for a flow, which needs about {MANY:,}:"
        " its networks know these people by heart, and strangers are read as before. A head"
        " (train.extractor.head) hides more."
    )


class FlowPhase:
    """The discriminator and its optimiser, and where everybody is by now.

    Args:
        game: Its extractor has a flow; no weight of it is trained by gradient from here on.
        seed: Seed of the discriminator's first weights, and of the batches.
        worker, group: Which worker this is.
        cache: Features of extractor-train.
    """

    def __init__(
        self, game: Game, seed: int, worker: WorkerContext, group: BatchGroup, cache: FeatureCache
    ) -> None:
        self.extractor = cast(Extractor, game.extractor)
        self.seed, self.worker, self.group, self.cache = seed, worker, group, cache
        game.requires_grad_(False)
        width = self.extractor.config.features
        self.network = DiscriminatorTraining(
            width, cache.numbers, tuple(game.private.values()), game.weights, self.extractor.channel
        )  # fmt: skip
        attach_group(self.network, group)
        self.network.to(worker.device)
        self.optimiser = torch.optim.AdamW(
            self.network.discriminator.parameters(), lr=_RATE, weight_decay=_DECAY, fused=True
        )
        self._wrapped = worker.wrap(self.network)
        self._z, self._rounds = cast(Tensor | None, None), 0

    def state_dict(self) -> dict[str, Tensor]:
        """Nothing: rounds are the extractor's, and each begins with a new discriminator."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A checkpoint's weights, of which none are of this phase."""
        return state

    def steps(self, records: RecordBatches, epoch: int) -> Iterator[HeadStep]:
        """Train the discriminator for a round, then move everybody.

        Args:
            records: extractor-train.
            epoch: Number of the round, from 0.

        Yields:
            Each finished step.
        """
        check_flow(self.extractor.config, self.extractor.spec, len(records))
        moved = self.cache.moved(records)
        z = self._at(epoch, moved)
        learns, held_out = _divide(len(records), len(z), self.seed)
        kept = 1 - float((_unit_power(z) - _unit_power(moved.z)).square().mean())
        self._begin_round(epoch)
        for number, rows in enumerate(self._batches(learns, epoch)):
            start = time.perf_counter()
            self._set_rate(number / STEPS)
            losses = self._descend(z, moved, rows, kept).detached()
            seconds = time.perf_counter() - start
            yield HeadStep(epoch + (number + 1) / STEPS, len(rows), seconds, losses)
        self._move(z, moved, held_out, epoch, copies=len(z) // len(records))

    def _begin_round(self, epoch: int) -> None:
        drawn = np.random.SeedSequence([self.seed, epoch, 3]).generate_state(1)
        with seeded(int(drawn[0]), self.worker.device):
            self.network.discriminator.reset()
        self.optimiser.state.clear()
        self.network.train()

    def _at(self, epoch: int, moved: Moved) -> Tensor:
        """Features of everybody behind `epoch` rounds; a resumed run moves them again."""
        if self._z is None or self._rounds != epoch:
            self._z = self.cache.through(0, epoch, moved.z, moved.guesses)
            self._rounds = epoch
        return self._z

    def _descend(self, z: Tensor, moved: Moved, rows: Tensor, kept: float) -> HeadLosses:
        losses: HeadLosses = self._wrapped(z[rows], moved.known[rows], moved.record[rows], kept)
        self.optimiser.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return losses

    @torch.no_grad()
    def _move(self, z: Tensor, moved: Moved, held_out: Tensor, epoch: int, copies: int) -> None:
        self.network.eval()
        step = self.extractor.flow.round(epoch)
        step.discriminator.load_state_dict(self.network.released())
        self._set_step(step, z, moved, held_out, copies)
        if not step.is_idle:
            through = self.cache.through(epoch, epoch + 1, z, moved.guesses)
            step.mean.copy_(through.mean(0))
            centred = through - step.mean
            step.deviation.copy_(centred.square().mean().sqrt())
            z = centred / step.deviation
        self._z, self._rounds = z, epoch + 1
        if self._rounds == self.extractor.config.flow:
            self.cache.keep(self._z)

    def _set_step(
        self, step: Round, z: Tensor, moved: Moved, held_out: Tensor, copies: int
    ) -> None:
        """The gap between classes over its slope along the gradient; 0 where there is no gap."""
        gaps, slopes = [], []
        for rows in torch.split(held_out.to(z.device), CHUNK):
            logits = step.discriminator(self.network.channel(z[rows]))
            gaps.append(self.network.above_uniform(logits, moved.known[rows]))
            gradient = step.discriminator.gradient(z[rows], moved.guesses[rows])
            slopes.append(gradient.square().sum(1))
        gap, slope = torch.cat(gaps), torch.cat(slopes).mean()
        error = gap.std() / (len(gap) / copies) ** 0.5
        if gap.mean() > _ERRORS * error and slope > _LEAST_SLOPE:
            farthest = _FARTHEST * (z.shape[1] / slope).sqrt()
            step.step.copy_(torch.minimum(gap.mean() / slope, farthest))

    def _set_rate(self, progress: float) -> None:
        rise = min(progress / _WARM_UP, 1.0)
        self.optimiser.param_groups[0]["lr"] = _RATE * rise * cosine_decay(progress)

    def _batches(self, learns: Tensor, epoch: int) -> Iterator[Tensor]:
        """This worker's rows of each step's batch."""
        size = step_size(len(learns), _BATCH, self.group)
        rng = np.random.default_rng([self.seed, epoch, 2])
        for _ in range(STEPS):
            rows = learns[torch.from_numpy(rng.integers(len(learns), size=size))]
            yield self.group.split(rows).to(self.worker.device)


class DiscriminatorTraining(nn.Module):
    """The discriminator with its losses as one module, for DDP.

    Args:
        width: D.
        numbers: R, of what a record says coarsely.
        classes: Number of classes of each private attribute.
        weights: Share of each attribute in the loss.
        channel: The noise of the release.
    """

    group: BatchGroup = SINGLE_PROCESS

    def __init__(
        self, width: int, numbers: int, classes: tuple[int, ...], weights: Sequence[float],
        channel: Channel,
    ) -> None:  # fmt: skip
        super().__init__()
        self.classes, self.weights, self.channel = classes, tuple(weights), channel
        self.discriminator = Discriminator(width, sum(classes) + numbers)

    def forward(self, z: Tensor, known: Tensor, record: Tensor, kept: float) -> HeadLosses:
        """All losses on one batch.

        Args:
            z: Features `[B, D]` of this worker's records.
            known: Private attributes, then told tasks `[B, A + T]`, int64.
            record: What the records say coarsely `[B, R]`.
            kept: Share of the features' variance that rounds so far left; passed on.
        """
        out = self.discriminator(self.channel(z))
        reading = Reading.of(out, self.classes, self.weights)
        adversary = self.group.mean(reading.cross_entropy(known))
        return HeadLosses(
            total=adversary + self.group.mean(reading.squared_error(record)),
            kept=z.new_tensor(kept),
            adversary=adversary,
            confidence=self.group.mean(reading.confidence().detach()),
            told=z.new_zeros(()),
        )

    def above_uniform(self, logits: Tensor, known: Tensor) -> Tensor:
        """Released logit of each record's own class less the mean of all, summed over attributes
        `[B]`."""
        total = logits.new_zeros(len(logits))
        for i, part in enumerate(torch.split(logits, list(self.classes), dim=1)):
            total = total + part.gather(1, known[:, i : i + 1])[:, 0] - part.mean(1)
        return total

    def released(self) -> dict[str, Tensor]:
        """The weights of the network that a round has: without outputs for the record, and with
        each attribute's logits times its weight, as they count in the move."""
        state = dict(self.discriminator.state_dict())
        share = torch.tensor(self.weights).repeat_interleave(torch.tensor(self.classes))
        share = share.to(state["out.bias"])
        state["out.weight"] = share[:, None] * state["out.weight"][: len(share)]
        state["out.bias"] = share * state["out.bias"][: len(share)]
        return state


def _unit_power(z: Tensor) -> Tensor:
    """Centred features `[N, D]` of mean power 1."""
    centred = z - z.mean(0)
    return centred / centred.square().mean().sqrt()


def _divide(records: int, rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """Rows that the discriminator learns from, and rows of other people; copies go together."""
    held_out = min(round(_HELD_OUT * records), _MOST_HELD_OUT)
    order = torch.randperm(records, generator=torch.Generator().manual_seed(seed))
    of_record = torch.arange(rows) // (rows // records)
    is_out = torch.zeros(records, dtype=torch.bool)
    is_out[order[:held_out]] = True
    return torch.where(~is_out[of_record])[0], torch.where(is_out[of_record])[0]
