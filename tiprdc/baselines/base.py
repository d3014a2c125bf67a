"""What every method of the comparison does: learn from extractor-train, then turn x into z."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tiprdc.baselines.noise import Noise
from tiprdc.datasets.schema import Records, Schema
from tiprdc.errors import ConfigError, check_range
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import FeatureMaker, InputSpec
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig

Report = Callable[[int], None]
"""Told after each epoch how many are done."""


@dataclass(frozen=True, kw_only=True)
class MethodsConfig:
    """What all methods share, and the knobs of each (`comparison.methods`)."""

    extractor: ExtractorConfig = field(default_factory=ExtractorConfig)
    """The architecture of every network that makes features."""
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    """How long and how fast every one of them learns."""
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    """The rules by which `ours` plays."""
    noise: float = 1.0
    """noisy: standard deviation of the noise on x, in normalised units (64 grey levels, or one
    standard deviation of a column), 0 to 100."""
    epsilon: float = 4.0
    """dp: epsilon of local differential privacy for each number, column or token of a record, > 0
    to 1,000; a record of n of them has n times as much."""
    components: int = 16
    """hybrid: principal components kept of the encoder's features, 1 to 4,096."""
    component_noise: float = 0.5
    """hybrid: standard deviation of the noise on each, in those of the component, 0 to 100."""
    hide: float = 1.0
    """pan, maxent, deepobfuscator: weight of what adversaries know against the known task, 0 to
    1,000."""
    rebuild: float = 1.0
    """pan, deepobfuscator: weight of what the reconstruction adversary rebuilds, 0 to 1,000."""
    bottleneck: float = 0.3
    """bottleneck: price of each nat of z (`train.objective.bottleneck`), > 0 to 1,000."""

    def __post_init__(self) -> None:
        where = "comparison.methods"
        check_range(f"{where}.noise", self.noise, 0, 100)
        check_range(f"{where}.epsilon", self.epsilon, 1e-6, 1000)
        check_range(f"{where}.components", self.components, 1, 4096)
        check_range(f"{where}.component_noise", self.component_noise, 0, 100)
        check_range(f"{where}.hide", self.hide, 0, 1000)
        check_range(f"{where}.rebuild", self.rebuild, 0, 1000)
        check_range(f"{where}.bottleneck", self.bottleneck, 1e-6, 1000)


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
        return replace(self, config=replace(self.config, extractor=extractor))


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
