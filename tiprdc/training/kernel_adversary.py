"""The closed-form adversary with its memory of earlier batches and its privacy budget.

In every step kernel ridge regression predicts each private attribute from its input: once fitted
on half of the batch, once on the memory. What it explains of held-out labels is the penalty of the
extractor. The privacy budget raises the penalty's weight while too much is explained and lowers it
while less is.

The regression is in tiprdc/objectives/kernel_ridge.py, the budget in
tiprdc/objectives/privacy_budget.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc.models.precision import exact_products
from tiprdc.objectives.kernel_ridge import (
    ExplainedVariance,
    LabelledFeatures,
    MemoryRidge,
    explained_variance,
)
from tiprdc.objectives.privacy_budget import PrivacyBudget
from tiprdc.training.objective_config import ObjectiveConfig


class KernelLosses(NamedTuple):
    """What the kernel adversary found in one batch: scalars, weighted means over the attributes.

    Args:
        penalty: What the extractor minimises.
        explained: R^2 of the adversary, 0 to 2.
        chance: R^2 for shuffled labels.
        multiplier: Factor of the privacy budget before this step.
    """

    penalty: Tensor
    explained: Tensor
    chance: Tensor
    multiplier: Tensor


class KernelAdversary(nn.Module):
    """Kernel ridge regression of every private attribute, solved anew in every step.

    Args:
        config: Weight, budget, memory and refits.
        classes: K of each private attribute.
        weights: Weight of each private attribute; they add up to 1.
        widths: Width of each input: z, then each reconstruction. Each input has a regression of
            its own, and the results are averaged.
    """

    memory_inputs: Tensor
    memory_targets: Tensor

    def __init__(
        self,
        config: ObjectiveConfig,
        classes: Sequence[int],
        weights: Sequence[float],
        widths: Sequence[int],
    ) -> None:
        super().__init__()
        self.config = config
        self.classes, self.weights, self.widths = list(classes), list(weights), list(widths)
        # Until real features fill it, memory is noise with random labels: it shows no leak.
        labels = [torch.randint(k, (config.memory,)) for k in classes]
        self.register_buffer("memory_inputs", torch.randn(config.memory, sum(widths)))
        one_hot = [F.one_hot(u, k).float() for u, k in zip(labels, classes, strict=True)]
        self.register_buffer("memory_targets", torch.cat(one_hot, 1))
        self.reset_fit()
        self.budget = PrivacyBudget(self.classes, config.budget, config.budget_step)
        self.label_r2 = [1.0] * len(self.classes)

    def forward(self, inputs: Tensor, targets: Tensor, *, update_budget: bool) -> KernelLosses:
        """The penalty on one batch.

        Args:
            inputs: What the adversary reads `[B, V]`, of the whole batch.
            targets: One-hot or out-of-fold private attributes, joined `[B, K]`.
            update_budget: Whether the budget takes a step; it does so in training only.
        """
        penalty, total, total_chance, multiplier = (inputs.new_zeros(()) for _ in range(4))
        with torch.autocast(inputs.device.type, enabled=False), exact_products():
            for i, (weight, u) in enumerate(zip(self.weights, self._split(targets), strict=True)):
                explained, chance = self._explained(i, LabelledFeatures(inputs.float(), u))
                factor = self.budget.multiplier[i].clone()
                if self.training and update_budget:
                    self.budget.update(i, explained - chance)
                penalty = penalty + self.config.kernel_adversary * weight * factor * explained
                total, total_chance = total + weight * explained, total_chance + weight * chance
                multiplier = multiplier + weight * factor
        return KernelLosses(
            penalty=penalty, explained=total, chance=total_chance, multiplier=multiplier
        )

    @torch.no_grad()
    def remember(self, inputs: Tensor, targets: Tensor) -> None:
        """Put this batch into memory; the oldest records leave it.

        Args:
            inputs: `[B, V]`, detached.
            targets: `[B, K]`.
        """
        size = self.config.memory
        if size:
            self.memory_inputs.copy_(torch.cat([inputs.float(), self.memory_inputs])[:size])
            self.memory_targets.copy_(torch.cat([targets, self.memory_targets])[:size])

    def reset_fit(self) -> None:
        """Fit on memory anew at the next step, as a run resumed from a checkpoint does."""
        self._fits: dict[tuple[int, int], tuple[int, MemoryRidge]] = {}

    def _explained(self, attribute: int, batch: LabelledFeatures) -> tuple[Tensor, Tensor]:
        """R^2 of one attribute, from the batch plus from memory; and the same by chance."""
        variance, chance = batch.z.new_zeros(()), batch.z.new_zeros(())
        for part, z in enumerate(torch.split(batch.z, self.widths, dim=1)):
            for score in self._scores(attribute, part, LabelledFeatures(z, batch.u)):
                variance, chance = variance + score.variance, chance + score.chance
        # In units of u, so that a budget means the same with out-of-fold targets: those explain
        # only label_r2 of u themselves.
        scale = self.label_r2[attribute] / len(self.widths)
        return variance * scale, chance * scale

    def _scores(
        self, attribute: int, part: int, batch: LabelledFeatures
    ) -> Iterator[ExplainedVariance]:
        yield explained_variance(batch)
        if self.config.memory:
            yield self._memory_fit(attribute, part).explained_variance(batch)

    def _memory_fit(self, attribute: int, part: int) -> MemoryRidge:
        """The fit on memory, made anew every `refit_every` steps."""
        age, fit = self._fits.get((attribute, part), (self.config.refit_every, None))
        if fit is None or age >= self.config.refit_every:
            z = torch.split(self.memory_inputs, self.widths, dim=1)[part]
            u = self._split(self.memory_targets)[attribute]
            age, fit = 0, MemoryRidge(LabelledFeatures(z, u))
        self._fits[attribute, part] = (age + 1, fit)
        return fit

    def _split(self, targets: Tensor) -> tuple[Tensor, ...]:
        """Targets `[N, K]` of each attribute."""
        return torch.split(targets, self.classes, dim=1)
