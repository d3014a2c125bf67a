"""A small training loop for the methods that are not presets of the game.

    extractor    minimises  CE(task) + reconstruction error      (each if the method has it), and
                            hide * confusion loss - rebuild * reconstruction error
    adversaries  minimise   CE(c(z), u) + reconstruction error

The extractor learns together with the task classifier, and with the decoder of an autoencoder. In
each step first the adversaries learn, on detached features, with as many steps as in the game; then
the extractor does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc.baselines.base import FitInputs, MethodsConfig, known_task
from tiprdc.datasets.schema import Schema
from tiprdc.distributed import SINGLE_PROCESS
from tiprdc.models.adversary import adversary
from tiprdc.models.decoder import Decoder, Measure
from tiprdc.models.extractor import Extractor
from tiprdc.models.inputs import InputSpec
from tiprdc.objectives.entropy import certainty
from tiprdc.training.batches import epoch_batches, labels
from tiprdc.training.optimiser import BETAS


@dataclass(frozen=True, kw_only=True)
class LossTerms:
    """The loss terms of a method's extractor.

    Args:
        task: Whether a classifier of the known task learns with it.
        confusion: How it uses attribute adversaries: not, by cross-entropy, or by entropy.
        autoencoder: Whether a decoder learns with it.
        opposed_decoder: The measure of a decoder that is an adversary; None for no such decoder.
    """

    task: bool = False
    confusion: Literal["none", "cross_entropy", "entropy"] = "none"
    autoencoder: bool = False
    opposed_decoder: Measure | None = None


def train_extractor(terms: LossTerms, inputs: FitInputs, *, method: str) -> Extractor:
    """Train an extractor without whitening, which is part of our own method.

    Args:
        terms: The loss terms.
        inputs: Records, architecture, schedule and seed.
        method: Name of the method, for errors.

    Returns:
        The extractor, in evaluation mode.

    Raises:
        ConfigError: The method needs a known task, and the shards have no utility attribute.
    """
    torch.manual_seed(inputs.seed)
    records, schedule = inputs.records, inputs.config.schedule
    networks = _Networks(terms, inputs.schema, inputs.config, method)
    x, y = torch.from_numpy(records.x), labels(records, networks.attributes)
    for epoch in range(schedule.epochs):
        batches = list(
            epoch_batches(
                len(records), schedule.batch, seed=inputs.seed, epoch=epoch, group=SINGLE_PROCESS
            )
        )
        for step, rows in enumerate(batches):
            networks.step(x[rows], y[rows], epoch + step / len(batches))
        inputs.report(epoch + 1)
    return networks.extractor.eval()


class _Networks:
    """The networks of one method, their optimisers and their losses."""

    def __init__(
        self, terms: LossTerms, schema: Schema, config: MethodsConfig, method: str
    ) -> None:
        self.terms, self.config = terms, config
        spec, features = InputSpec.of(schema), config.extractor.features
        self.extractor = Extractor(config.extractor.unprotected(), spec, whiten=False)
        self.attributes = list(schema.private)
        self.attributes += [known_task(schema, method)] if terms.task else []
        self.adversaries = nn.ModuleList(
            adversary(features, schema.classes(name)) for name in schema.private
        )
        self.task_classifier = adversary(features, schema.classes(self.attributes[-1]))
        self.decoder = Decoder(spec, features)
        with_extractor: list[nn.Module] = [self.extractor, self.task_classifier]
        against_extractor: list[nn.Module] = [self.adversaries]
        (with_extractor if terms.autoencoder else against_extractor).append(self.decoder)
        schedule = config.schedule
        self.extractor_optimiser = torch.optim.AdamW(
            [p for network in with_extractor for p in network.parameters()],
            schedule.extractor_rate, betas=BETAS, weight_decay=schedule.weight_decay,
        )  # fmt: skip
        self.adversary_optimiser = torch.optim.AdamW(
            [p for network in against_extractor for p in network.parameters()],
            schedule.adversary_rate, betas=BETAS, weight_decay=0.0,
        )  # fmt: skip

    def step(self, x: Tensor, y: Tensor, progress: float) -> None:
        """One step of the adversaries, then one of the extractor.

        Args:
            x: Records `[B, *shape]`.
            y: Private attributes, then the known task if there is one `[B, A]`.
            progress: Epochs since the start.
        """
        schedule = self.config.schedule
        rate = schedule.extractor_rate * schedule.decay(progress)
        self.extractor_optimiser.param_groups[0]["lr"] = rate
        z = self.extractor(x)
        if self.terms.confusion != "none" or self.terms.opposed_decoder:
            for _ in range(self.config.objective.adversary_steps):
                _descend(self.adversary_optimiser, self._adversary_loss(z.detach(), x, y))
        loss = self._extractor_loss(z, x, y, schedule.pressure(progress))
        _descend(self.extractor_optimiser, loss)

    def _adversary_loss(self, z: Tensor, x: Tensor, y: Tensor) -> Tensor:
        loss = self._attribute_loss(z, y)
        if self.terms.opposed_decoder:
            loss = loss + self.decoder(z, x, self.terms.opposed_decoder)
        return loss

    def _attribute_loss(self, z: Tensor, y: Tensor) -> Tensor:
        losses = [F.cross_entropy(c(z), y[:, i]) for i, c in enumerate(self.adversaries)]
        return torch.stack(losses).mean()

    def _extractor_loss(self, z: Tensor, x: Tensor, y: Tensor, pressure: float) -> Tensor:
        terms, loss = self.terms, z.new_zeros(())
        if terms.task:
            loss = loss + F.cross_entropy(self.task_classifier(z), y[:, -1])
        if terms.autoencoder:
            loss = loss + self.decoder(z, x)
        if terms.confusion == "entropy":
            mean_certainty = torch.stack([certainty(c(z)) for c in self.adversaries]).mean()
            loss = loss + pressure * self.config.hide * mean_certainty
        elif terms.confusion == "cross_entropy":
            loss = loss - pressure * self.config.hide * self._attribute_loss(z, y)
        if terms.opposed_decoder:
            error = self.decoder(z, x, terms.opposed_decoder)
            loss = loss - pressure * self.config.rebuild * error
        return loss


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step of this optimiser; the other one discards gradients on its own parameters."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]  # torch's
    optimiser.step()
