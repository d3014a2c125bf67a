"""All networks of one training as one module, and one step's losses on tensors.

    adversary             minimises  CE(c(z), u)
    critic and extractor  maximise   J(x; z, u)             (with weights 1 and 1 - lambda)
    extractor             minimises  lambda * what the adversaries recover of u

With a bottleneck (`train.objective.bottleneck`: a price on each nat of z) the extractor also
minimises lambda * price * KL and needs no adversary: tiprdc/objectives/bottleneck.py.

One backward gives every network its own gradient. The critic's gradient into z is scaled by
1 - lambda. Adversaries run twice: on z detached from the extractor, where they learn, and with
frozen weights, where the extractor hides.

Source: Li et al. 2020 (TIPRDC). docs/method.md lists what differs and why: the kernel adversary,
the bounded objective, several adversary steps for each step of the extractor, and a critic with a
score for each position of the record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc.distributed import SINGLE_PROCESS, BatchGroup
from tiprdc.models.coarse_decoder import CoarseDecoder
from tiprdc.models.decoder import Decoder
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.networks import NetworkFactory, build_networks
from tiprdc.objectives import entropy
from tiprdc.objectives.bottleneck import gaussian_kl
from tiprdc.training.batches import one_hot
from tiprdc.training.gradients import scale_gradient, with_frozen_weights
from tiprdc.training.kernel_adversary import KernelAdversary, KernelLosses
from tiprdc.training.losses import Losses, adversary_losses
from tiprdc.training.objective_config import ObjectiveConfig


class Game(nn.Module):
    """All networks of one training as one module, so that one DDP wrapper is enough.

    Workers that share a batch (`distributed.attach_group`) each get the losses of the whole batch,
    and the mean of their gradients equals the gradient of a single worker.

    Args:
        config: The objective.
        extractor_config: The extractor's architecture.
        spec: What a record is.
        private: Private attribute -> number of classes, in the order of u's columns.
        network_factory: Builds extractor, adversaries and critic.

    Raises:
        ConfigError: Objective and architecture do not fit each other.
    """

    group: BatchGroup = SINGLE_PROCESS

    def __init__(
        self,
        config: ObjectiveConfig,
        extractor_config: ExtractorConfig,
        spec: InputSpec,
        private: Mapping[str, int],
        network_factory: NetworkFactory = build_networks,
    ) -> None:
        super().__init__()
        config.check_extractor(extractor_config)
        self.config, self.private = config, dict(private)
        self.extractor_config, self.spec = extractor_config, spec
        self.extractor, self.adversaries, self.critic, features = network_factory(
            extractor_config, spec, private, config.adversaries, bool(config.bottleneck)
        )
        self.record_decoders = nn.ModuleList(
            [Decoder(spec, features)] if config.reconstruction else []
        )
        self.coarse_decoders = nn.ModuleList(
            [CoarseDecoder(spec, features)] if config.adversary_decoder else []
        )
        self.weights = _shares([config.weights.get(name, 1.0) for name in private])
        self.features = features
        self.kernel_adversary = KernelAdversary(
            config,
            classes=list(private.values()),
            weights=self.weights,
            widths=[features, *(cast(CoarseDecoder, d).width for d in self.coarse_decoders)],
        )

    def forward(
        self, x: Tensor, u: Tensor, pressure: float, z: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> tuple[Losses, Tensor]:  # fmt: skip
        """All losses on one batch, or those of the adversaries alone on existing features.

        Args:
            x: This worker's records `[B, *shape]`.
            u: Private attributes `[B, A]`, int64.
            pressure: Share of the privacy weight in force, 0 (warm-up) to 1.
            z: Features `[B, D]` for a further step of the adversaries only.
            targets: What the kernel adversary predicts in place of u, joined `[B, K]`.

        Returns:
            The losses, and z detached.
        """
        if z is not None:
            return self._adversary_step(x, u, z), z
        weight = self.config.privacy_weight * pressure
        z, kl = self._features(x)
        if self.config.noise:
            z = z + self.config.noise * self.group.randn_like(z)
        u_onehot = one_hot(u, self.private.values()).float()
        mutual_information = self._mutual_information(x, z, u_onehot, weight)
        adversary_loss, certainty = self._adversaries(z, u, weight)
        adversary_input, targets = self._gather(
            self._adversary_input(z), u_onehot if targets is None else targets
        )
        decoder_loss = self._decoder_loss(x, z)
        reconstructed = self._reconstructed(x, z, adversary_input)
        kernel = self._kernel(adversary_input, targets, weight, update_budget=pressure >= 1)
        self.kernel_adversary.remember(adversary_input.detach(), targets)
        penalty = kernel.penalty
        if self.config.confusion_loss == "entropy":
            penalty = penalty + certainty
        penalty = penalty + self.config.reconstruction * reconstructed + self.config.bottleneck * kl
        losses = Losses(
            total=adversary_loss + decoder_loss - mutual_information + weight * penalty,
            mutual_information=mutual_information,
            adversary=adversary_loss,
            certainty=certainty,
            reconstructed=reconstructed,
            explained_variance=kernel.explained,
            chance=kernel.chance,
            multiplier=kernel.multiplier,
            kl=kl,
        )
        return losses, z.detach()

    def _adversary_step(self, x: Tensor, u: Tensor, z: Tensor) -> Losses:
        """The losses of the networks that work against the extractor."""
        adversary_loss = self._adversary_loss(z, u)
        return adversary_losses(
            total=adversary_loss + self._decoder_loss(x, z), adversary=adversary_loss
        )

    def _features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z `[B, ...]` of this worker's records, and the KL divergence of the whole batch."""
        if self.extractor_config.head:
            # Head and the noise of the release come after the trunk (tiprdc/training/head).
            z0 = cast(Extractor, self.extractor).whitened(x)
            return z0, z0.new_zeros(())
        if not self.config.bottleneck:
            z: Tensor = self.extractor(x)
            return z, z.new_zeros(())
        extractor = cast(Extractor, self.extractor)
        # Half precision ends here: it would round the noise.
        mean = extractor.features_before_release(x).float()
        return extractor.channel(mean), gaussian_kl(*self.group.all_gather(mean))

    def _mutual_information(self, x: Tensor, z: Tensor, u_onehot: Tensor, weight: float) -> Tensor:
        """J; the extractor gets 1 - weight of its gradient."""
        negatives = min(self.config.negatives, self.group.records(len(x)) - 1)
        scaled = scale_gradient(z, 1 - weight)
        j: Tensor = self.critic(x, scaled, u_onehot, negatives, self.config.mi_estimator)
        return j

    def _adversaries(self, z: Tensor, u: Tensor, weight: float) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the trained adversaries, and how certain they are."""
        if not self.config.adversaries:
            return z.new_zeros(()), z.new_zeros(())
        if self.config.confusion_loss == "cross_entropy":
            # The extractor's share comes back through the reversed gradient of z.
            loss = self._adversary_loss(scale_gradient(z, -weight), u)
            with torch.no_grad():
                return loss, self._over_adversaries(z, lambda logits, _: entropy.certainty(logits))
        loss = self._adversary_loss(z.detach(), u)
        certainty = self._over_adversaries(
            z, lambda logits, _: entropy.certainty(logits), frozen=True
        )
        return loss, certainty

    def _adversary_loss(self, z: Tensor, u: Tensor) -> Tensor:
        return self._over_adversaries(z, lambda logits, i: F.cross_entropy(logits, u[:, i]))

    def _over_adversaries(
        self, z: Tensor, score: Callable[[Tensor, int], Tensor], *, frozen: bool = False
    ) -> Tensor:
        """Weighted mean of a score (logits, number of the attribute) over all adversaries."""
        total = z.new_zeros(())
        for i, ensemble in enumerate(self.adversaries):
            for adversary in cast(nn.ModuleList, ensemble):
                logits = with_frozen_weights(adversary, z) if frozen else adversary(z)
                total = total + self.weights[i] * score(logits, i) / self.config.adversaries
        return self.group.mean(total) if self.config.adversaries else total

    def _adversary_input(self, z: Tensor) -> Tensor:
        """What the kernel adversary reads `[B, V]`: z, and what is reconstructed from it."""
        flat = z.flatten(1)
        outputs = [with_frozen_weights(decoder, flat) for decoder in self.coarse_decoders]
        return torch.cat([flat, *outputs], 1) if outputs else flat

    def _gather(self, adversary_input: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Both of the whole batch, but only if something reads them: z may be a large map."""
        if self.config.kernel_adversary or self.config.memory or self.record_decoders:
            adversary_input, targets = self.group.all_gather(adversary_input, targets)
        return adversary_input, targets

    def _kernel(
        self, adversary_input: Tensor, targets: Tensor, weight: float, *, update_budget: bool
    ) -> KernelLosses:
        if weight and self.config.kernel_adversary:
            losses: KernelLosses = self.kernel_adversary(
                adversary_input, targets, update_budget=update_budget
            )
            return losses
        zero = adversary_input.new_zeros(())
        return KernelLosses(penalty=zero, explained=zero, chance=zero, multiplier=zero)

    def _decoder_loss(self, x: Tensor, z: Tensor) -> Tensor:
        """What both kinds of decoders minimise: the reconstruction adversary's and the one whose
        output the kernel adversary reads."""
        loss, flat = z.new_zeros(()), z.detach().flatten(1)
        for decoder in self.record_decoders:
            loss = loss + self.group.mean(decoder(flat, x), cast(Decoder, decoder).weight(x))
        for coarse in self.coarse_decoders:
            loss = loss + self.group.mean(cast(CoarseDecoder, coarse).loss(flat, x))
        return loss

    def _reconstructed(self, x: Tensor, z: Tensor, adversary_input: Tensor) -> Tensor:
        """The share of the record that the reconstruction adversary reconstructs, 0 to 1."""
        if not self.record_decoders:
            return z.new_zeros(())
        decoder = cast(Decoder, self.record_decoders[0])
        error = self.group.mean(with_frozen_weights(decoder, z.flatten(1), x), decoder.weight(x))
        with torch.no_grad():
            others = self.group.local_part(adversary_input[:, : self.features].roll(1, 0))
            baseline = self.group.mean(decoder(others, x), decoder.weight(x))
        share: Tensor = (1 - error / baseline.clamp(min=1e-6)).clamp(min=0)
        return share


def _shares(weights: list[float]) -> list[float]:
    """Weights that add up to 1."""
    values = torch.tensor(weights)
    shares: list[float] = (values / values.sum()).tolist()
    return shares
