"""The game of extractor, adversaries and critic: one step on tensors, named losses.

    adversary             minimises  CE(c(z), u)
    critic and extractor  maximise   J(x; z, u)             (with weights 1 and 1 - lambda)
    extractor             minimises  lambda * what the adversaries know of u

With a price on each nat of z (`train.objective.bottleneck`) it also minimises
lambda * price * KL, and needs no adversary: tiprdc/objectives/bottleneck.py.

One backward gives every player its own gradient: the way back from the critic into z is scaled by
1 - lambda, and the adversaries are asked twice, once about z cut off from the extractor (they
learn) and once with their own weights cut off (the extractor hides).

Source: Li et al. 2020 (TIPRDC). What differs from it, and why, is in docs/method.md: the
closed-form adversary, the bounded objective, several adversary steps for each of the extractor's,
and a critic that asks place by place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc.distributed import SINGLE_PROCESS, BatchGroup
from tiprdc.models.coarse_decoder import CoarseDecoder
from tiprdc.models.decoder import Decoder
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.networks import NetworkFactory, build_networks
from tiprdc.objectives.bottleneck import kl
from tiprdc.objectives.entropy import certainty
from tiprdc.objectives.kernel_ridge import (
    ExplainedVariance,
    LabelledFeatures,
    MemoryRidge,
    explained_variance,
)
from tiprdc.objectives.privacy_budget import PrivacyBudget
from tiprdc.training.objective_config import ObjectiveConfig


class Losses(NamedTuple):
    """One step's losses: scalars.

    Args:
        total: What is differentiated.
        mutual_information: J of the critic, higher keeps more; a signal, also where in nats.
        adversary: Mean cross-entropy of the trained adversaries, in nats; 0 without any.
        certainty: How sure they are, 0 to 1; 0 without any.
        rebuilt: Share of the record that the reconstruction adversary rebuilds, 0 to 1: how much
            nearer it comes from the record's features than from another's; 0 without it.
        explained_variance: Held-out R^2 of the closed-form adversary, from the batch and from
            memory, summed, 0 to 2, the mean over what it reads; 0 without it.
        chance: What that is for shuffled labels.
        multiplier: Of the closed-form adversary's weight, where the budget has steered it to.
        kl: What the bottleneck's price is of, in nats: z tells no more of a record, on average over
            the batch; 0 without it.
    """

    total: Tensor
    mutual_information: Tensor
    adversary: Tensor
    certainty: Tensor
    rebuilt: Tensor
    explained_variance: Tensor
    chance: Tensor
    multiplier: Tensor
    kl: Tensor


class _Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.factor, None


def scale_gradient(tensor: Tensor, factor: float) -> Tensor:
    """The same values; the gradient that flows back is multiplied by factor."""
    return cast(Tensor, _Scale.apply(tensor, factor))


def ask_frozen(player: nn.Module, *given: Tensor) -> Tensor:
    """What a player says, its weights cut off: the gradient leads to what it is asked about."""
    frozen = {name: p.detach() for name, p in player.named_parameters()}
    said: Tensor = torch.func.functional_call(player, frozen, given)
    return said


class Game(nn.Module):
    """All players as one module, so that one DDP wrapper is enough.

    Several workers that share a batch (`distributed.join`) play one game: each gets the losses of
    the whole batch, and their gradients' mean is that of one worker.

    Args:
        config: The rules.
        extractor_config: The extractor's architecture.
        spec: What a record is.
        private: Private attribute -> number of classes, in the order of u's columns.
        network_factory: Builds the networks.

    Raises:
        ConfigError: Rules and architecture do not go together.
    """

    group: BatchGroup = SINGLE_PROCESS
    memory_z: Tensor
    memory_believed: Tensor

    def __init__(
        self,
        config: ObjectiveConfig,
        extractor_config: ExtractorConfig,
        spec: InputSpec,
        private: Mapping[str, int],
        network_factory: NetworkFactory = build_networks,
    ) -> None:
        super().__init__()
        config.agrees_with(extractor_config)
        self.config, self.private = config, dict(private)
        self.extractor_config, self.spec = extractor_config, spec
        self.extractor, self.adversaries, self.critic, features = network_factory(
            extractor_config, spec, private, config.adversaries
        )
        if config.bottleneck:
            cast(Extractor, self.extractor).learn_scale()
        self.rebuilder = nn.ModuleList([Decoder(spec, features)] if config.reconstruction else [])
        self.decoders = nn.ModuleList(
            [CoarseDecoder(spec, features)] if config.adversary_decoder else []
        )
        self.read = [features, *(cast(CoarseDecoder, one).width for one in self.decoders)]
        # Until it is full of features, memory is noise with labels at random: it teaches nothing.
        labels = [torch.randint(k, (config.memory,)) for k in private.values()]
        self.register_buffer("memory_z", torch.randn(config.memory, sum(self.read)))
        at_random = torch.cat(self._one_hot(torch.stack(labels, dim=1)), 1)
        self.register_buffer("memory_believed", at_random)
        self.forget_fits()
        self.pressure = PrivacyBudget(list(private.values()), config.budget, config.budget_step)
        weights = torch.tensor([config.weights.get(name, 1.0) for name in private])
        self.weights = (weights / weights.sum()).tolist()
        self.label_r2 = [1.0] * len(private)

    def forward(
        self, x: Tensor, u: Tensor, pressure: float, z: Tensor | None = None,
        believed: Tensor | None = None,
    ) -> tuple[Losses, Tensor]:  # fmt: skip
        """All players' losses on one batch, or the adversaries' alone on features already made.

        Args:
            x: This worker's records `[B, *shape]`.
            u: Private attributes `[B, A]`, int64.
            pressure: Share of the privacy weight in force, 0 (warm-up) to 1.
            z: Features `[B, D]` for a further step of the adversaries only.
            believed: What the closed-form adversary learns in place of u, joined `[B, K]`.

        Returns:
            The losses, and z cut off from the graph.
        """
        if z is not None:
            learns = self._adversary_loss(z, u)
            rebuilds = self._rebuilding(x, z)
            nothing = learns.new_zeros(())
            return Losses(learns + rebuilds, nothing, learns, *[nothing] * 6), z
        weight = self.config.privacy_weight * pressure
        z, paid = self._features(x)
        if self.config.noise:
            z = z + self.config.noise * self.group.randn_like(z)
        negatives = min(self.config.negatives, self.group.records(len(x)) - 1)
        told = torch.cat(self._one_hot(u), 1)
        kept = self.critic(
            x, scale_gradient(z, 1 - weight), told, negatives, self.config.mi_estimator
        )
        learns, known = self._trained(z, u, weight)
        seen, all_b = self._of_all(self._seen(z), told if believed is None else believed)
        rebuilds, rebuilt = self._rebuilding(x, z), self._rebuilt(x, z, seen)
        hidden, found, chance, m = self._closed_form(seen, all_b, weight, steered=pressure >= 1)
        self._remember(seen.detach(), all_b)
        if self.config.confusion_loss == "entropy":
            hidden = hidden + known
        hidden = hidden + self.config.reconstruction * rebuilt + self.config.bottleneck * paid
        total = learns + rebuilds - kept + weight * hidden
        losses = Losses(total, kept, learns, known, rebuilt, found, chance, m, paid)
        return losses, z.detach()

    def _features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z `[B, ...]` of this worker's records, and the KL of the whole batch's."""
        if not self.config.bottleneck:
            z: Tensor = self.extractor(x)
            return z, z.new_zeros(())
        extractor = cast(Extractor, self.extractor)
        # Half precision ends here: it would round the noise.
        mean = extractor.features_before_noise(x).float()
        return extractor.channel(mean), kl(*self.group.all_gather(mean))

    def _one_hot(self, u: Tensor) -> list[Tensor]:
        return [F.one_hot(u[:, i], k).float() for i, k in enumerate(self.private.values())]

    def _seen(self, z: Tensor) -> Tensor:
        """What the closed-form adversary reads `[B, V]`: z, and what is rebuilt from it."""
        flat = z.flatten(1)
        rebuilt = [ask_frozen(one, flat) for one in self.decoders]
        return torch.cat([flat, *rebuilt], 1) if rebuilt else flat

    def _of_all(self, seen: Tensor, believed: Tensor) -> tuple[Tensor, Tensor]:
        """What is read `[B, V]` and what is to be hidden `[B, K]` of the whole batch, where
        somebody looks at it: z may be a large map."""
        if self.config.kernel_adversary or self.config.memory or self.rebuilder:
            seen, believed = self.group.all_gather(seen, believed)
        return seen, believed

    def _adversary_loss(self, z: Tensor, u: Tensor) -> Tensor:
        return self._over_adversaries(z, lambda logits, i: F.cross_entropy(logits, u[:, i]))

    def _trained(self, z: Tensor, u: Tensor, weight: float) -> tuple[Tensor, Tensor]:
        if not self.config.adversaries:
            return z.new_zeros(()), z.new_zeros(())
        if self.config.confusion_loss == "cross_entropy":
            # The extractor's share comes back through the reversed gradient of z.
            learns = self._adversary_loss(scale_gradient(z, -weight), u)
            with torch.no_grad():
                return learns, self._over_adversaries(z, lambda logits, _: certainty(logits))
        learns = self._adversary_loss(z.detach(), u)
        known = self._over_adversaries(z, lambda logits, _: certainty(logits), frozen=True)
        return learns, known

    def _rebuilding(self, x: Tensor, z: Tensor) -> Tensor:
        """What those learn by who rebuild records: the reconstruction adversary, and whoever
        rebuilds what the adversary in closed form reads."""
        loss, flat = z.new_zeros(()), z.detach().flatten(1)
        for decoder in self.rebuilder:
            loss = loss + self.group.mean(decoder(flat, x), cast(Decoder, decoder).weight(x))
        for glimpse in self.decoders:
            loss = loss + self.group.mean(cast(CoarseDecoder, glimpse).lost(flat, x))
        return loss

    def _rebuilt(self, x: Tensor, z: Tensor, seen: Tensor) -> Tensor:
        """The share of the record that it rebuilds, as the extractor is to lower it."""
        if not self.rebuilder:
            return z.new_zeros(())
        decoder, flat = cast(Decoder, self.rebuilder[0]), z.flatten(1)
        lost = self.group.mean(ask_frozen(decoder, flat, x), decoder.weight(x))
        with torch.no_grad():
            others = seen[:, : self.read[0]].roll(1, 0)
            by_another = decoder(self.group.local_part(others), x)
            by_another = self.group.mean(by_another, decoder.weight(x))
        share: Tensor = (1 - lost / by_another.clamp(min=1e-6)).clamp(min=0)
        return share

    def _closed_form(
        self, seen: Tensor, believed: Tensor, weight: float, *, steered: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What is to be lowered; what the closed-form adversary explains of u, what it would by
        chance, and how the budget has steered its weight: means over the attributes."""
        penalty, explained, chance, multiplier = (seen.new_zeros(()) for _ in range(4))
        if not (weight and self.config.kernel_adversary):
            return penalty, explained, chance, multiplier
        with torch.autocast(seen.device.type, enabled=False):
            for i, (share, of) in enumerate(zip(self.weights, self._each(believed), strict=True)):
                found, by_chance = self._explained(i, LabelledFeatures(seen.float(), of))
                m = self.pressure.multiplier[i].clone()
                if self.training and steered:
                    self.pressure.update(i, found - by_chance)
                penalty = penalty + self.config.kernel_adversary * share * m * found
                explained, chance = explained + share * found, chance + share * by_chance
                multiplier = multiplier + share * m
        return penalty, explained, chance, multiplier

    def _explained(self, attribute: int, batch: LabelledFeatures) -> tuple[Tensor, Tensor]:
        """Of one attribute, from the batch itself and from memory, summed; and by chance."""
        found, by_chance = batch.z.new_zeros(()), batch.z.new_zeros(())
        for part, z in enumerate(torch.split(batch.z, self.read, dim=1)):
            read = LabelledFeatures(z, batch.u)
            for one in self._fitted(attribute, part, read):
                found, by_chance = found + one.variance, by_chance + one.chance
        # Of u, so that a budget means the same: what is believed explains so much of it itself.
        share = self.label_r2[attribute] / len(self.read)
        return found * share, by_chance * share

    def _fitted(
        self, attribute: int, part: int, read: LabelledFeatures
    ) -> Iterator[ExplainedVariance]:
        yield explained_variance(read)
        if self.config.memory:
            yield self._remembered(attribute, part).explained_variance(read)

    def _each(self, believed: Tensor) -> tuple[Tensor, ...]:
        """Of each attribute, from all joined `[N, K]`."""
        return torch.split(believed, list(self.private.values()), dim=1)

    def forget_fits(self) -> None:
        """Fit on memory anew at the next step: what a run that goes on from here does too."""
        self._fits: dict[tuple[int, int], tuple[int, MemoryRidge]] = {}

    def _remembered(self, attribute: int, part: int) -> MemoryRidge:
        age, fit = self._fits.get((attribute, part), (self.config.refit_every, None))
        if fit is None or age >= self.config.refit_every:
            z = torch.split(self.memory_z, self.read, dim=1)[part]
            age, fit = (
                0,
                MemoryRidge(LabelledFeatures(z, self._each(self.memory_believed)[attribute])),
            )
        self._fits[attribute, part] = (age + 1, fit)
        return fit

    @torch.no_grad()
    def _remember(self, seen: Tensor, believed: Tensor) -> None:
        if self.config.memory:
            self.memory_z.copy_(torch.cat([seen.float(), self.memory_z])[: self.config.memory])
            both = torch.cat([believed, self.memory_believed])
            self.memory_believed.copy_(both[: self.config.memory])

    def _over_adversaries(
        self, z: Tensor, score: Callable[[Tensor, int], Tensor], *, frozen: bool = False
    ) -> Tensor:
        total = z.new_zeros(())
        for i, group in enumerate(self.adversaries):
            for player in cast(nn.ModuleList, group):
                logits = ask_frozen(player, z) if frozen else player(z)
                total = total + self.weights[i] * score(logits, i) / self.config.adversaries
        return self.group.mean(total) if self.config.adversaries else total
