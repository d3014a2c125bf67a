"""What every method of the comparison does: learn from extractor-train, then turn x into z."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from msgspec import Meta, structs

from tiprdc.baselines.noise import Noise
from tiprdc.datasets.schema import Records, Schema
from tiprdc.errors import ConfigError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import FeatureMaker, InputSpec
from tiprdc.settings import Settings
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig

Report = Callable[[int], None]
"""Told after each epoch how many are done."""


class MethodsConfig(Settings, frozen=True, kw_only=True):
    """Settings that all methods share, and those of single methods (`comparison.methods`)."""

    params_key: ClassVar[str] = "comparison.methods"

    extractor: Annotated[
        ExtractorConfig, Meta(description="Architecture of every network that computes features.")
    ] = ExtractorConfig()
    schedule: Annotated[
        ScheduleConfig, Meta(description="Epochs, batch and learning rates of every network.")
    ] = ScheduleConfig()
    objective: Annotated[
        ObjectiveConfig, Meta(description="Training objective of the method ours.")
    ] = ObjectiveConfig()
    noise: Annotated[
        float,
        Meta(
            ge=0, le=100,
            description="noisy: standard deviation of the noise on x, in normalised units (64 grey "
            "levels, or one standard deviation of a column).",
        ),
    ] = 1.0  # fmt: skip
    epsilon: Annotated[
        float,
        Meta(
            ge=1e-6, le=1000,
            description="dp: epsilon of local differential privacy for each number, column or "
            "token; a record of n of them has n times as much.",
        ),
    ] = 4.0  # fmt: skip
    components: Annotated[
        int,
        Meta(
            ge=1, le=4096,
            description="hybrid: principal components kept of the encoder's features.",
        ),
    ] = 16  # fmt: skip
    component_noise: Annotated[
        float,
        Meta(
            ge=0, le=100,
            description="hybrid: standard deviation of the noise on each component, in its own.",
        ),
    ] = 0.5  # fmt: skip
    hide: Annotated[
        float,
        Meta(
            ge=0, le=1000,
            description="pan, maxent, deepobfuscator: weight of the attribute adversaries' loss "
            "against the known task.",
        ),
    ] = 1.0  # fmt: skip
    rebuild: Annotated[
        float,
        Meta(
            ge=0, le=1000,
            description="pan, deepobfuscator: weight of the reconstruction adversary's loss.",
        ),
    ] = 1.0  # fmt: skip
    bottleneck: Annotated[
        float,
        Meta(
            ge=1e-6, le=1000,
            description="bottleneck: cost of each nat of z, as train.objective.bottleneck.",
        ),
    ] = 0.3  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a method learns from.

    Args:
        records: extractor-train.
        schema: What they are; which attributes are private, which stand for unseen tasks.
        config: Architecture, time and knobs.
        seed: The same arguments give the same network, bit for bit, on one CPU thread.
        report: Told the number of epochs that are done.
    """

    records: Records
    schema: Schema
    config: MethodsConfig
    seed: int
    report: Report = lambda _: None

    def plain(self) -> Given:
        """The same for a method that sends features as they are: noise, bounds and the guard on z
        belong to ours."""
        extractor = self.config.extractor.unprotected()
        return replace(self, config=structs.replace(self.config, extractor=extractor))


class Method(ABC):
    """A way to turn records into features."""

    name: str
    """As in the comparison's `params.yaml: methods`."""
    knows_task: bool = False
    """Whether it is told the labels of a utility task, the first."""
    sends_records: bool = False
    """Whether z is a record, with noise perhaps: what attacks raw records reads it."""
    exported: bool = True
    """Whether its features are made by an ONNX file; else by torch, and noise by numpy."""

    @abstractmethod
    def fit(self, given: Given) -> FeatureMaker:
        """Learn from extractor-train.

        Returns:
            Raw records `[B, *shape]` -> features z `[B, ...]`, in evaluation mode.

        Raises:
            ConfigError: The method cannot work on such records.
        """

    def noise(self, spec: InputSpec, config: MethodsConfig) -> Noise | None:
        """What is added to z before it is sent; None: nothing."""
        return None


def known_task(schema: Schema, method: str) -> str:
    """The one utility task that a method which knows its task is told.

    Raises:
        ConfigError: There is none.
    """
    if not schema.utility:
        raise ConfigError(
            method, "no utility attribute", "at least one, to be told as the known task",
            "name one, or leave this method out",
        )  # fmt: skip
    return schema.utility[0]
