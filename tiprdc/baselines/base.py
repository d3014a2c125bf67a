"""The interface of a method of the comparison: fit on extractor-train, then map x to z."""

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

ReportEpoch = Callable[[int], None]
"""Called after each epoch with the number of finished epochs."""


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
class FitInputs:
    """The arguments of `Method.fit`.

    Args:
        records: extractor-train.
        schema: Of the records; which attributes are private, and which are tasks.
        config: Architecture, schedule and settings.
        seed: The same arguments give the same network, bit for bit, on one CPU thread.
        report: Called after each epoch.
    """

    records: Records
    schema: Schema
    config: MethodsConfig
    seed: int
    report: ReportEpoch = lambda _: None

    def unprotected(self) -> FitInputs:
        """The same without clip, noise, levels and LEACE on z, which are part of our method."""
        extractor = self.config.extractor.unprotected()
        return replace(self, config=replace(self.config, extractor=extractor))


class Method(ABC):
    """A method that maps records to features."""

    name: str
    """As in `methods` of the comparison's params.yaml."""
    knows_task: bool = False
    """Whether it is trained on the labels of the first utility task."""
    sends_records: bool = False
    """Whether z is a record, perhaps with noise: attacks on raw records apply to it."""
    exported: bool = True
    """Whether an ONNX file computes its features; otherwise torch does, and numpy adds noise."""

    @abstractmethod
    def fit(self, inputs: FitInputs) -> FeatureMaker:
        """Fit on extractor-train.

        Returns:
            Raw records `[B, *shape]` -> features z `[B, ...]`, in evaluation mode.

        Raises:
            ConfigError: The method does not support such records.
        """

    def noise(self, spec: InputSpec, config: MethodsConfig) -> Noise | None:
        """Noise that is added to z before release; None for none."""
        return None


def known_task(schema: Schema, method: str) -> str:
    """The utility task of a method that is trained for a known task: the first.

    Raises:
        ConfigError: There is no utility task.
    """
    if not schema.utility:
        raise ConfigError(
            method, "no utility attribute", "at least one, as the known task",
            "add a utility attribute, or leave this method out",
        )  # fmt: skip
    return schema.utility[0]
