"""The head's training: one step on cached features of the trunk.

    adversary     minimises CE(c(z + n), u) + E |r(z + n) - record|^2
    decoder       minimises E |d(z + n, u) - z0|^2 / D
    head          minimises E |d(z + n, u) - z0|^2 / D + weight * E KL(uniform | c(z + n))
                  + told_weight * CE(t(z + n), tasks)       where tasks are told; t learns with it

z0 are the trunk's features, z those of the head, n the noise of the release. The decoder is told u,
so that dropping u from z costs the head nothing. A step costs milliseconds: the adversary sees
everybody many times, where the one beside the trunk sees some thousand people. What is spread thin
over the trunk's features, the head brings below the noise.

Source: conditional decoders of Moyer et al. 2018 (NeurIPS); the uniform guess as the extractor's
aim is that of Alvi et al. 2018 (ECCV workshops).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc.distributed import SINGLE_PROCESS, BatchGroup
from tiprdc.models.extractor import Extractor
from tiprdc.models.layers.discriminator import Discriminator
from tiprdc.models.layers.head import Head
from tiprdc.training.batches import one_hot
from tiprdc.training.gradients import with_frozen_weights
from tiprdc.training.head.config import HeadConfig
from tiprdc.training.head.reading import Reading
from tiprdc.training.schedule_config import cosine_decay

ADVERSARY_STEPS = 2
"""Further steps of the adversary for each step of the head, on other people."""
_CLASSIFIER_WIDTH, _DECODER_WIDTH = 256, 512
_RATE, _ADVERSARY_RATE = 1e-3, 1e-3
_BETAS, _ADVERSARY_BETAS = (0.9, 0.999), (0.5, 0.99)
_ADVERSARY_DECAY = 1e-2
_RAMP = 0.2
"""Share of the steps over which the price rises to its full weight."""


class HeadLosses(NamedTuple):
    """The losses of one step of the head: scalars.

    Args:
        total: The loss that is differentiated.
        kept: Share of the trunk's variance that the decoder, told u, rebuilds; 1 at best.
        adversary: Cross-entropy of the adversary, in nats.
        confidence: KL divergence of the uniform guess from the adversary's guesses, in nats.
        told: Mean cross-entropy of the told tasks, in nats; 0 without any.
    """

    total: Tensor
    kept: Tensor
    adversary: Tensor
    confidence: Tensor
    told: Tensor

    def detached(self) -> HeadLosses:
        """The same values, cut off from the graph."""
        return HeadLosses(*(value.detach() for value in self))


class HeadTraining(nn.Module):
    """The head with its decoder and adversary as one module, so that one DDP wrapper is enough.

    Args:
        config: The price.
        extractor: The extractor whose head learns; its trunk does not.
        numbers: R, of what a record says coarsely.
        private: Private attribute -> number of classes, in the order of u's columns.
        weights: Share of each attribute in the price.
        told: Told task -> number of classes, in the order of the labels' columns behind u.
    """

    group: BatchGroup = SINGLE_PROCESS

    def __init__(
        self,
        config: HeadConfig,
        extractor: Extractor,
        numbers: int,
        private: Mapping[str, int],
        weights: Sequence[float],
        told: Mapping[str, int],
    ) -> None:
        super().__init__()
        self.config, self.classes = config, tuple(private.values())
        self.weights = tuple(weights)
        assert isinstance(extractor.head, Head)
        width = extractor.config.features
        self.head, self.channel = extractor.head, extractor.channel
        self.decoder = _ConditionalDecoder(width, sum(self.classes))
        self.adversary = Discriminator(width, sum(self.classes) + numbers)
        self.told = tuple(told.values())
        self.task_classifier = _Classifier(width, self.told) if told else None

    def forward(
        self, z0: Tensor, labels: Tensor, record: Tensor, progress: float,
        only_adversary: bool = False,
    ) -> HeadLosses:  # fmt: skip
        """All losses on one batch, or those of the adversary alone.

        Args:
            z0: The trunk's features `[B, D]` of this worker's records.
            labels: Private attributes, then told tasks `[B, A + T]`, int64.
            record: What the records say coarsely `[B, R]`.
            progress: Share of the steps that are done, 0 to 1.
            only_adversary: Whether head and decoder stay as they are.
        """
        u, tasks = labels.tensor_split([len(self.classes)], dim=1)
        with torch.set_grad_enabled(not only_adversary):
            z = self.channel(self.channel.bound(self.head(z0)))
        reading = Reading.of(self.adversary(z.detach()), self.classes, self.weights)
        adversary = self.group.mean(reading.cross_entropy(u))
        unread = self.group.mean(reading.squared_error(record))
        if only_adversary:
            zero = adversary.new_zeros(())
            return HeadLosses(adversary + unread, zero, adversary, zero, zero)
        zu = torch.cat([z, one_hot(u, self.classes).float()], 1)
        error = self.group.mean(F.mse_loss(self.decoder(zu), z0))
        guesses = with_frozen_weights(self.adversary, z)
        confidence = self.group.mean(Reading.of(guesses, self.classes, self.weights).confidence())
        told = self._over_tasks(z, tasks)
        price = self.config.weight * min(progress / _RAMP, 1.0)
        return HeadLosses(
            total=adversary + unread + error + price * confidence + self.config.told_weight * told,
            kept=1 - error,
            adversary=adversary,
            confidence=confidence,
            told=told,
        )

    def _over_tasks(self, z: Tensor, tasks: Tensor) -> Tensor:
        """Mean cross-entropy of the told tasks; 0 without any."""
        if self.task_classifier is None:
            return z.new_zeros(())
        parts = torch.split(self.task_classifier(z), list(self.told), dim=1)
        losses = [F.cross_entropy(part, tasks[:, i]) for i, part in enumerate(parts)]
        return self.group.mean(torch.stack(losses).mean())


class _ConditionalDecoder(nn.Module):
    """Features and one-hot attributes `[B, D + K]` -> the trunk's features `[B, D]`."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width + classes, width)
        self.residual = nn.Sequential(
            nn.Linear(width + classes, _DECODER_WIDTH), nn.GELU(), nn.Linear(_DECODER_WIDTH, width)
        )

    def forward(self, zu: Tensor) -> Tensor:
        return cast(Tensor, self.linear(zu) + self.residual(zu))


class _Classifier(nn.Sequential):
    """Features `[B, D]` -> joined logits of several attributes `[B, K]`."""

    def __init__(self, width: int, classes: Sequence[int]) -> None:
        hidden = _CLASSIFIER_WIDTH
        super().__init__(
            nn.Linear(width, hidden), nn.LayerNorm(hidden), nn.GELU(),
            nn.Linear(hidden, hidden), nn.LayerNorm(hidden), nn.GELU(),
            nn.Linear(hidden, sum(classes)),
        )  # fmt: skip


def build_head_optimiser(training: HeadTraining) -> torch.optim.AdamW:
    """AdamW with two groups, in this order: head with decoder and tasks, adversary."""
    tasks = training.task_classifier.parameters() if training.task_classifier else ()
    return torch.optim.AdamW(
        [
            {
                "params": [*training.head.parameters(), *training.decoder.parameters(), *tasks],
                "lr": _RATE, "betas": _BETAS, "weight_decay": 0.0,
            },
            {
                "params": list(training.adversary.parameters()),
                "lr": _ADVERSARY_RATE, "betas": _ADVERSARY_BETAS, "weight_decay": _ADVERSARY_DECAY,
            },
        ],
        fused=True,
    )  # fmt: skip


def set_head_rate(optimiser: torch.optim.Optimizer, progress: float) -> None:
    """Set the rate of head and decoder: a cosine to a twentieth; that of the adversary is constant.

    Args:
        optimiser: Of `build_head_optimiser`.
        progress: Share of the steps that are done, 0 to 1.
    """
    optimiser.param_groups[0]["lr"] = _RATE * cosine_decay(progress)
