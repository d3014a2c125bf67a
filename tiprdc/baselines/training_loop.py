"""One small training loop for the methods that are not the game.

    team         minimises  CE(task) + rebuilding error      (each if asked for), and
                            hide * (what adversaries know) - rebuild * (rebuilding error)
    adversaries  minimise   CE(c(z), u) + rebuilding error

Extractor and helpers are the team; they and the adversaries take a step in turn. Adversaries take
as many steps a round as in the game, on features cut off from the extractor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc.baselines.base import Given, MethodsConfig, known_task
from tiprdc.datasets.schema import Schema
from tiprdc.models.adversary import adversary
from tiprdc.models.decoder import Decoder, Measure
from tiprdc.models.extractor import Extractor
from tiprdc.models.inputs import InputSpec
from tiprdc.objectives.entropy import certainty

_BETAS = (0.5, 0.999)


@dataclass(frozen=True, kw_only=True)
class Aims:
    """What the extractor of a method is for.

    Args:
        task: Whether it helps with the known task.
        hide: How it uses adversaries that look for u: not, by their cross-entropy, by entropy.
        keep_record: Whether a decoder helps it to keep the record.
        forget_record: Whether a decoder is an adversary; by which measure of pictures.
    """

    task: bool = False
    hide: Literal["no", "cross_entropy", "entropy"] = "no"
    keep_record: bool = False
    forget_record: Measure | None = None


def learn(
    aims: Aims,
    given: Given,
    *,
    method: str,
) -> Extractor:
    """Train an extractor, without the whitening that is part of our own method.

    Args:
        aims: What for.
        given: What the method learns from.
        method: Whom to blame.

    Returns:
        The extractor, in evaluation mode.

    Raises:
        ConfigError: The shards have no utility task to be told.
    """
    torch.manual_seed(given.seed)
    records, schedule = given.records, given.config.schedule
    players = _Players(aims, given.schema, given.config, method)
    columns = [torch.from_numpy(records.labels[name]) for name in players.labels]
    x, y = torch.from_numpy(records.x), torch.stack(columns, dim=1)
    size = min(schedule.batch, len(records))
    steps = len(records) // size
    for epoch in range(schedule.epochs):
        order = torch.from_numpy(
            np.random.default_rng([given.seed, epoch]).permutation(len(records))
        )
        for step in range(steps):
            rows = order[step * size : (step + 1) * size]
            players.step(x[rows], y[rows], epoch + step / steps)
        given.report(epoch + 1)
    return players.extractor.eval()


class _Players:
    """Everybody in one method's training, and who learns when."""

    def __init__(self, aims: Aims, schema: Schema, config: MethodsConfig, method: str) -> None:
        self.aims, self.config = aims, config
        spec, features = InputSpec.of(schema), config.extractor.features
        self.extractor = plain_extractor(config, spec).train()
        self.labels = list(schema.private) + ([known_task(schema, method)] if aims.task else [])
        self.seekers = nn.ModuleList(
            adversary(features, schema.classes(name)) for name in schema.private
        )
        self.head = adversary(features, schema.classes(self.labels[-1]))
        self.decoder = Decoder(spec, features)
        team: list[nn.Module] = [self.extractor, self.head]
        against: list[nn.Module] = [self.seekers]
        (team if aims.keep_record else against).append(self.decoder)
        schedule = config.schedule
        self.team = torch.optim.AdamW(
            [p for player in team for p in player.parameters()],
            schedule.extractor_rate, betas=_BETAS, weight_decay=schedule.weight_decay,
        )  # fmt: skip
        self.against = torch.optim.AdamW(
            [p for player in against for p in player.parameters()],
            schedule.adversary_rate, betas=_BETAS, weight_decay=0.0,
        )  # fmt: skip

    def step(self, x: Tensor, y: Tensor, progress: float) -> None:
        """One round.

        Args:
            x: Records `[B, *shape]`.
            y: Private attributes, and the known task last if there is one `[B, A]`.
            progress: Epochs since the start.
        """
        schedule = self.config.schedule
        self.team.param_groups[0]["lr"] = schedule.extractor_rate * schedule.fall(progress)
        z = self.extractor(x)
        if self.aims.hide != "no" or self.aims.forget_record:
            for _ in range(self.config.objective.adversary_steps):
                _descend(self.against, self._adversaries_loss(z.detach(), x, y))
        _descend(self.team, self._team_loss(z, x, y, schedule.pressure(progress)))

    def _adversaries_loss(self, z: Tensor, x: Tensor, y: Tensor) -> Tensor:
        loss = self._seekers_loss(z, y)
        if self.aims.forget_record:
            loss = loss + self.decoder(z, x, self.aims.forget_record)
        return loss

    def _seekers_loss(self, z: Tensor, y: Tensor) -> Tensor:
        losses = [F.cross_entropy(c(z), y[:, i]) for i, c in enumerate(self.seekers)]
        return torch.stack(losses).mean()

    def _team_loss(self, z: Tensor, x: Tensor, y: Tensor, pressure: float) -> Tensor:
        aims, loss = self.aims, z.new_zeros(())
        if aims.task:
            loss = loss + F.cross_entropy(self.head(z), y[:, -1])
        if aims.keep_record:
            loss = loss + self.decoder(z, x)
        if aims.hide == "entropy":
            known = torch.stack([certainty(c(z)) for c in self.seekers]).mean()
            loss = loss + pressure * self.config.hide * known
        elif aims.hide == "cross_entropy":
            loss = loss - pressure * self.config.hide * self._seekers_loss(z, y)
        if aims.forget_record:
            error = self.decoder(z, x, aims.forget_record)
            loss = loss - pressure * self.config.rebuild * error
        return loss


def plain_extractor(config: MethodsConfig, spec: InputSpec) -> Extractor:
    """The common architecture without the whitening layer."""
    extractor = Extractor(config.extractor.unprotected(), spec)
    extractor.register_module("whiten", nn.Identity())
    return extractor


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step of this optimiser's players; gradients left on others are thrown away by them."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]  # torch's
    optimiser.step()
