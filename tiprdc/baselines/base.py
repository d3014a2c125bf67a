"""The interface of a method of the comparison: fit on extractor-train, then map x to z."""

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
from tiprdc.training.config import TrainConfig
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig

ReportEpoch = Callable[[int], None]
"""Called after each epoch with the number of finished epochs."""


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
        ObjectiveConfig, Meta(description="Training objective of the methods that are presets.")
    ] = ObjectiveConfig()
    ours: Annotated[
        TrainConfig, Meta(description="Settings of the method ours, as those of `train`.")
    ] = TrainConfig()
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
    linear_features: Annotated[
        int,
        Meta(
            ge=1, le=4096,
            description="pca, pca_leace, projection: number of features; fewer where records have "
            "fewer directions.",
        ),
    ] = 128  # fmt: skip
    linear_noise: Annotated[
        float,
        Meta(
            ge=0, le=100,
            description="pca, pca_leace, projection: standard deviation of the noise on each "
            "feature, in its own.",
        ),
    ] = 1.0  # fmt: skip
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
    trade_off: Annotated[
        float,
        Meta(
            ge=0, le=0.999,
            description="kernel_ratio: weight t / (1 - t) of the dependence on the private "
            "attributes against that on the record.",
        ),
    ] = 0.9  # fmt: skip
    erasure_steps: Annotated[
        int,
        Meta(ge=0, le=100, description="obliviator: steps with an encoder, after the first."),
    ] = 12
    entropy_weight: Annotated[
        float,
        Meta(
            ge=0, le=1,
            description="pass: weight, for each private attribute, of the entropy of the "
            "substitute given the record.",
        ),
    ] = 0.2  # fmt: skip
    fairness: Annotated[
        float,
        Meta(
            ge=0, le=1,
            description="fare: weight of the private attributes in the impurity of a leaf; the "
            "known task has the rest.",
        ),
    ] = 0.85  # fmt: skip
    leaves: Annotated[
        int, Meta(ge=2, le=4096, description="fare: most leaves of the decision tree.")
    ] = 20


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
        return replace(self, config=structs.replace(self.config, extractor=extractor))


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
