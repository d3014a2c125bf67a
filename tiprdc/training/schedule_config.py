"""Settings of the training schedule (`train.schedule`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tiprdc.errors import check_range


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """How long, how fast, in which order (`train.schedule`)."""

    epochs: int = 8
    """Passes over extractor-train, 1 to 10,000."""
    batch: int = 128
    """Records in a step, over all workers together, 8 to 65,536."""
    warm_up: float = 1.0
    """Epochs before the extractor begins to hide, >= 0."""
    extractor_rate: float = 1e-3
    """Adam's rate for the extractor at the start; falls as a cosine to a twentieth."""
    critic_rate: float = 1e-3
    """Adam's rate for the critic at the start; falls likewise."""
    adversary_rate: float = 2e-3
    """Adam's rate for the adversaries, constant."""
    weight_decay: float = 0.0
    """Decoupled weight decay of the extractor, 0 to 1."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 runs the networks in mixed precision where the device has it."""

    def __post_init__(self) -> None:
        check_range("train.schedule.epochs", self.epochs, 1, 10_000)
        check_range("train.schedule.batch", self.batch, 8, 65_536)
        check_range("train.schedule.warm_up", self.warm_up, 0, 10_000)
        for name in ("extractor_rate", "critic_rate", "adversary_rate"):
            check_range(f"train.schedule.{name}", getattr(self, name), 1e-8, 1)
        check_range("train.schedule.weight_decay", self.weight_decay, 0, 1)

    def fall(self, progress: float) -> float:
        """Share of their first rates that extractor and critic learn with, 1 to 0.05.

        Args:
            progress: Epochs since the start.
        """
        share = min(progress / self.epochs, 1.0)
        return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share))

    def pressure(self, progress: float) -> float:
        """Share of the privacy weight in force: 0 in the warm-up, 1 from one epoch later on."""
        return min(max(progress - self.warm_up, 0.0), 1.0)
