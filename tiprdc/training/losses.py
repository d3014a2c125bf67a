"""The named losses of one training step."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Losses(NamedTuple):
    """The losses of one step: scalars.

    Args:
        total: The loss that is differentiated.
        mutual_information: J of the critic; higher means that z keeps more. For some estimators it
            is a signal only, even where it is in nats.
        adversary: Mean cross-entropy of the trained adversaries, in nats; 0 without adversaries.
        certainty: Mean certainty of the trained adversaries, 0 to 1; 0 without adversaries.
        reconstructed: Share of the record that the reconstruction adversary reconstructs, 0 to 1:
            how much closer its output from the record's own features is than its output from
            another record's features. 0 without that adversary.
        explained_variance: Held-out R^2 of the kernel adversary: fit on the batch plus fit on
            memory, 0 to 2, averaged over its inputs; 0 without it.
        chance: The same R^2 for shuffled labels.
        multiplier: Factor that the privacy budget applies to the weight of the kernel adversary.
        kl: Mean KL divergence of the bottleneck over the batch, in nats: on average z tells no
            more than this about a record; 0 without a bottleneck.
    """

    total: Tensor
    mutual_information: Tensor
    adversary: Tensor
    certainty: Tensor
    reconstructed: Tensor
    explained_variance: Tensor
    chance: Tensor
    multiplier: Tensor
    kl: Tensor

    def detached(self) -> Losses:
        """The same values, cut off from the graph."""
        return Losses(**{name: value.detach() for name, value in self._asdict().items()})


def adversary_losses(*, total: Tensor, adversary: Tensor) -> Losses:
    """The losses of a step in which only adversaries learn: all others are 0."""
    zero = total.new_zeros(())
    return Losses(
        total=total,
        mutual_information=zero,
        adversary=adversary,
        certainty=zero,
        reconstructed=zero,
        explained_variance=zero,
        chance=zero,
        multiplier=zero,
        kl=zero,
    )
