"""Settings of the training schedule (`train.schedule`)."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from tiprdc.settings import Settings


class ScheduleConfig(Settings, frozen=True, kw_only=True):
    """Epochs, batch and learning rates of a training run (`train.schedule`)."""

    params_key: ClassVar[str] = "train.schedule"

    epochs: Annotated[
        int, Meta(ge=1, le=10_000, description="Passes over the records of extractor-train.")
    ] = 8
    batch: Annotated[
        int, Meta(ge=8, le=65_536, description="Records in a step, over all workers together.")
    ] = 128
    warm_up: Annotated[
        float,
        Meta(
            ge=0, le=10_000,
            description="Epochs before the privacy weight applies; it then rises over one epoch.",
        ),
    ] = 1.0  # fmt: skip
    extractor_rate: Annotated[
        float,
        Meta(
            ge=1e-8, le=1,
            description="Adam's learning rate of the extractor at the start; it falls as a cosine "
            "to a twentieth.",
        ),
    ] = 1e-3  # fmt: skip
    critic_rate: Annotated[
        float,
        Meta(
            ge=1e-8, le=1,
            description="Adam's learning rate of the critic at the start; it falls likewise.",
        ),
    ] = 1e-3  # fmt: skip
    adversary_rate: Annotated[
        float,
        Meta(ge=1e-8, le=1, description="Adam's learning rate of the trained adversaries."),
    ] = 2e-3
    weight_decay: Annotated[
        float, Meta(ge=0, le=1, description="Decoupled weight decay of the extractor.")
    ] = 0.0
    precision: Annotated[
        Literal["fp32", "tf32", "bf16"],
        Meta(
            description="bf16 runs the networks in mixed precision where the device has it. tf32 "
            "rounds the inputs of their products to 10 bits on NVIDIA's GPUs since Ampere, but not "
            "in whitening and kernel adversary. Elsewhere tf32 is fp32."
        ),
    ] = "fp32"

    def decay(self, progress: float) -> float:
        """Share of their first rates that extractor and critic learn with, 1 to 0.05.

        Args:
            progress: Epochs since the start.
        """
        return cosine_decay(min(progress / self.epochs, 1.0))

    def pressure(self, progress: float) -> float:
        """Share of the privacy weight in force: 0 in the warm-up, 1 from one epoch later on."""
        return min(max(progress - self.warm_up, 0.0), 1.0)


def cosine_decay(share: float) -> float:
    """1 at the start to 0.05 at the end, as a cosine.

    Args:
        share: Share of the training that is done, 0 to 1.
    """
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share))
