"""Settings of the training objective (`train.objective`)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from tiprdc.errors import ConfigError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.objectives.estimators import MiEstimator
from tiprdc.settings import Settings


class ObjectiveConfig(Settings, frozen=True, kw_only=True):
    """What training optimises: privacy weight, adversaries and critic (`train.objective`)."""

    params_key: ClassVar[str] = "train.objective"

    privacy_weight: Annotated[
        float,
        Meta(ge=0, le=1, description="lambda: 0 only keeps information, 1 only hides."),
    ] = 0.65
    weights: Annotated[
        dict[str, Annotated[float, Meta(ge=1e-6, le=1e6)]],
        Meta(description="Weight of a private attribute among several; 1 where not named."),
    ] = {}
    kernel_adversary: Annotated[
        float,
        Meta(
            ge=0, le=1000,
            description="Weight at the start of the adversary that kernel ridge regression solves "
            "exactly in every batch; 0: no such adversary.",
        ),
    ] = 4.0  # fmt: skip
    budget: Annotated[
        float,
        Meta(
            ge=0.001, le=0.5,
            description="Advantage (balanced accuracy above the best guess) that an attacker may "
            "reach. The kernel adversary's weight rises while the measured advantage is above it "
            "and falls otherwise.",
        ),
    ] = 0.06  # fmt: skip
    budget_step: Annotated[
        float,
        Meta(
            ge=0, le=0.5,
            description="Step by which the logarithm of the kernel adversary's weight follows the "
            "budget; 0: the weight is constant.",
        ),
    ] = 0.025  # fmt: skip
    cross_fit: Annotated[
        bool,
        Meta(
            description="Train the kernel adversary on out-of-fold predictions of the attribute "
            "instead of labels (tiprdc/attacks/cross_fitting.py): for few people and wide records.",
        ),
    ] = False
    adversary_decoder: Annotated[
        bool,
        Meta(
            description="The kernel adversary reads, beside z, the record that a decoder "
            "reconstructs from z: against attackers who hold records. Pictures and tables only.",
        ),
    ] = False
    memory: Annotated[
        int,
        Meta(
            ge=0, le=65_536,
            description="Records of earlier batches that the kernel adversary is fitted on too.",
        ),
    ] = 2048  # fmt: skip
    refit_every: Annotated[
        int, Meta(ge=1, le=1000, description="Steps between two fits on these records.")
    ] = 16
    adversaries: Annotated[
        int, Meta(ge=0, le=8, description="Trained adversaries for each private attribute.")
    ] = 0
    adversary_steps: Annotated[
        int,
        Meta(ge=1, le=20, description="Steps of the trained adversaries for each extractor step."),
    ] = 2
    reconstruction: Annotated[
        float,
        Meta(
            ge=0, le=1000,
            description="Weight of a trained adversary that reconstructs the record from z; 0: no "
            "such adversary.",
        ),
    ] = 0.0  # fmt: skip
    bottleneck: Annotated[
        float,
        Meta(
            ge=0, le=1000,
            description="Cost of each nat of z, which hides without an adversary: z is drawn from "
            "N(m(x), 1), also in the exported file, and m is not whitened; 0: no bottleneck.",
        ),
    ] = 0.0  # fmt: skip
    confusion_loss: Annotated[
        Literal["entropy", "cross_entropy"],
        Meta(
            description="The extractor's loss against trained adversaries. entropy: bounded. "
            "cross_entropy: as published; an attacker can invert it.",
        ),
    ] = "entropy"
    mi_estimator: Annotated[
        MiEstimator,
        Meta(
            description="Estimate of mutual information that the critic maximises: infonce, jsd "
            "(as published) or donsker_varadhan.",
        ),
    ] = "infonce"
    negatives: Annotated[
        int,
        Meta(
            ge=1, le=4095,
            description="Other records of the batch that the critic compares each record with; "
            "fewer if the batch has fewer.",
        ),
    ] = 127  # fmt: skip
    noise: Annotated[
        float,
        Meta(
            ge=0, le=2,
            description="Gaussian noise on z in training, in standard deviations of z.",
        ),
    ] = 0.0  # fmt: skip

    def _check(self) -> None:
        sources = (self.adversaries, self.kernel_adversary, self.reconstruction, self.bottleneck)
        if self.privacy_weight and not any(sources):
            raise ConfigError(
                "train.objective", "no adversary, trained or kernel, and no bottleneck",
                "at least one", "set adversaries, kernel_adversary, reconstruction or bottleneck"
                " above 0, or privacy_weight to 0",
            )  # fmt: skip
        for key in ("cross_fit", "adversary_decoder"):
            if getattr(self, key) and not self.kernel_adversary:
                raise ConfigError(
                    f"train.objective.{key}", "true without a kernel adversary, which uses it",
                    hint=f"set {key} to false, or kernel_adversary above 0",
                )  # fmt: skip
        if self.bottleneck and not self.privacy_weight:
            raise ConfigError(
                "train.objective.bottleneck",
                f"{self.bottleneck:g} with a privacy_weight of 0, which multiplies it",
                hint="set privacy_weight above 0, or bottleneck to 0",
            )

    def check_extractor(self, extractor: ExtractorConfig) -> None:
        """Check the objective against the extractor's settings.

        Raises:
            ConfigError: Both set the noise of z, or a bottleneck meets a head.
        """
        if self.bottleneck and extractor.head:
            raise ConfigError(
                "train.extractor.head", f"{extractor.head} with a bottleneck",
                "0 with train.objective.bottleneck, which hides without adversaries",
                "set one of the two to 0",
            )  # fmt: skip
        if self.bottleneck and extractor.release_noise:
            raise ConfigError(
                "train.extractor.release_noise", f"{extractor.release_noise:g} with a bottleneck",
                "0 with train.objective.bottleneck, whose noise is the unit of features",
                "set one of the two to 0",
            )  # fmt: skip

    def unprotected(self) -> ObjectiveConfig:
        """The objective of the unprotected extractor: no privacy weight and no adversary."""
        # Nothing that only steers hiding: a search of the budget reuses this extractor.
        return ObjectiveConfig(
            privacy_weight=0.0,
            memory=0,
            mi_estimator=self.mi_estimator,
            negatives=self.negatives,
            noise=self.noise,
        )
