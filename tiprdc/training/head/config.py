"""Settings of the head's training (`train.head`)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from tiprdc.models.extractor import ExtractorConfig
from tiprdc.settings import Settings

LEAST_RECORDS = 50
"""Fewest records for each feature that a transport between classes needs: covariances of fewer are
chance."""
MANY_RECORDS = 100_000
"""Records that networks do not learn by heart: more are not copied, and the head trains long."""


class HeadConfig(Settings, frozen=True, kw_only=True):
    """How the head is trained on cached features (`train.head`); its width is the extractor's."""

    params_key: ClassVar[str] = "train.head"

    epochs: Annotated[
        int,
        Meta(
            ge=1, le=10_000,
            description="Epochs of the head after those of the trunk, of 100 steps each.",
        ),
    ] = 10  # fmt: skip
    batch: Annotated[
        int, Meta(ge=8, le=65_536, description="Records in a step, over all workers together.")
    ] = 512
    weight: Annotated[
        float,
        Meta(
            ge=0, le=1000,
            description="What a nat of the adversary's knowledge costs, in shares of the trunk's "
            "variance that the head keeps.",
        ),
    ] = 4.0  # fmt: skip
    told_weight: Annotated[
        float,
        Meta(
            ge=0, le=1000,
            description="What a nat of the told tasks (train.told) is worth, in shares of the "
            "trunk's variance that the head keeps.",
        ),
    ] = 1.0  # fmt: skip

    def epochs_behind_trunk(self, extractor: ExtractorConfig) -> int:
        """Epochs of this extractor's head; 0 without one."""
        return self.epochs if extractor.head else 0
