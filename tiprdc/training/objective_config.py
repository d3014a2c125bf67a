"""Settings of the training objective (`train.objective`)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from tiprdc.errors import ConfigError, check_range
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.objectives.estimators import MiEstimator


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """The rules of the game (`train.objective`)."""

    privacy_weight: float = 0.65
    """lambda, 0 to 1: 0 keeps everything, 1 only hides."""
    weights: dict[str, float] = field(default_factory=dict)
    """Weight of a private attribute among several, > 0; 1 where it is not named."""
    kernel_adversary: float = 4.0
    """Weight of the closed-form adversary at first, 0 to 1000; 0 does without."""
    budget: float = 0.06
    """Balanced accuracy above the best guess that an attacker may reach, 0.001 to 0.5."""
    budget_step: float = 0.025
    """How fast that weight follows the budget, 0 to 0.5 a step (of its logarithm); 0: constant."""
    cross_fit: bool = False
    """Whether that adversary learns not u itself but what a classifier that has not seen a person
    believes of their u (tiprdc/attacks/cross_fitting.py): for few people and wide records."""
    adversary_decoder: bool = False
    """Whether that adversary reads, beside z, what a decoder rebuilds from z: against attackers who
    hold records. Pictures and tables."""
    memory: int = 2048
    """Records of earlier batches that the closed-form adversary is fitted on too, 0 to 65,536."""
    refit_every: int = 16
    """Steps between two fits on memory, 1 to 1,000."""
    adversaries: int = 0
    """Trained adversaries for each private attribute, 0 to 8."""
    adversary_steps: int = 2
    """Steps of the adversaries for each step of the extractor, 1 to 20."""
    reconstruction: float = 0.0
    """Weight of a trained adversary that rebuilds the record from z, 0 to 1000; 0 does without."""
    bottleneck: float = 0.0
    """Price of each nat of z, 0 to 1000, which hides without an adversary: z is drawn from
    N(m(x), 1) with m unwhitened, also in the exported file; 0 does without."""
    confusion_loss: Literal["entropy", "cross_entropy"] = "entropy"
    """How the extractor uses trained adversaries: bounded, or as published."""
    mi_estimator: MiEstimator = "infonce"
    """Estimator of the critic: infonce, jsd (as published) or donsker_varadhan."""
    negatives: int = 127
    """Other records of the batch that the critic compares each with, 1 to 4095; fewer if fewer."""
    noise: float = 0.0
    """Standard deviation of Gaussian noise on z in training, in those of z, 0 to 2."""

    def __post_init__(self) -> None:
        check_range("train.objective.privacy_weight", self.privacy_weight, 0, 1)
        check_range("train.objective.kernel_adversary", self.kernel_adversary, 0, 1000)
        check_range("train.objective.budget", self.budget, 0.001, 0.5)
        check_range("train.objective.budget_step", self.budget_step, 0, 0.5)
        check_range("train.objective.memory", self.memory, 0, 65_536)
        check_range("train.objective.refit_every", self.refit_every, 1, 1000)
        check_range("train.objective.adversaries", self.adversaries, 0, 8)
        check_range("train.objective.reconstruction", self.reconstruction, 0, 1000)
        check_range("train.objective.bottleneck", self.bottleneck, 0, 1000)
        check_range("train.objective.adversary_steps", self.adversary_steps, 1, 20)
        check_range("train.objective.negatives", self.negatives, 1, 4095)
        check_range("train.objective.noise", self.noise, 0, 2)
        for name, weight in self.weights.items():
            check_range(f"train.objective.weights.{name}", weight, 1e-6, 1e6)
        against = (self.adversaries, self.kernel_adversary, self.reconstruction, self.bottleneck)
        if self.privacy_weight and not any(against):
            raise ConfigError(
                "train.objective", "no adversary, trained or in closed form, and no bottleneck",
                "at least one", "set adversaries, kernel_adversary, reconstruction or bottleneck"
                " above 0, or privacy_weight to 0",
            )  # fmt: skip
        alone = {
            "cross_fit": "learns what is believed",
            "adversary_decoder": "reads what is rebuilt",
        }
        for key, what in alone.items():
            if getattr(self, key) and not self.kernel_adversary:
                raise ConfigError(
                    f"train.objective.{key}", "true without a closed-form adversary",
                    f"a kernel_adversary above 0: nobody else {what}",
                    f"set {key} to false, or kernel_adversary above 0",
                )  # fmt: skip
        if self.bottleneck and not self.privacy_weight:
            raise ConfigError(
                "train.objective.bottleneck", f"{self.bottleneck:g} with a privacy_weight of 0",
                "a privacy_weight above 0: the price is multiplied by it",
                "raise privacy_weight, or set bottleneck to 0",
            )  # fmt: skip

    def agrees_with(self, extractor: ExtractorConfig) -> None:
        """Refuse rules that an extractor of this architecture cannot play by.

        Raises:
            ConfigError: Its noise would be set twice.
        """
        if self.bottleneck and extractor.release_noise:
            raise ConfigError(
                "train.extractor.release_noise", f"{extractor.release_noise:g} with a bottleneck",
                "0: with train.objective.bottleneck features are in units of their noise",
                "set one of the two to 0",
            )  # fmt: skip

    def unprotected(self) -> ObjectiveConfig:
        """The rules of the unprotected twin: keep everything, and nobody looks for u."""
        return replace(
            self,
            privacy_weight=0.0,
            adversaries=0,
            memory=0,
            cross_fit=False,
            adversary_decoder=False,
            reconstruction=0.0,
            bottleneck=0.0,
        )
