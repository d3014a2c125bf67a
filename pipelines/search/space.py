"""The search space: ranges and choices, and the training settings of a sampled point.

A range is `[lowest, highest]`. An empty list of choices leaves the setting at its value in `train`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import optuna
from msgspec import Meta
from msgspec.structs import replace

from tiprdc.attacks.suite import ATTACKS, attack_named
from tiprdc.datasets.schema import Schema
from tiprdc.errors import ConfigError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.trunk import Family, resolve
from tiprdc.objectives.estimators import MiEstimator
from tiprdc.settings import MAX_SEED, Settings
from tiprdc.training.config import TrainConfig
from tiprdc.training.head_config import HeadConfig
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig

_OBJECTIVE = (
    "budget",
    "privacy_weight",
    "bottleneck",
    "mi_estimator",
    "adversaries",
    "adversary_steps",
)
_EXTRACTOR = ("family", "cut", "features", "release_noise")
_CHOICES = (
    "features", "family", "cut", "release_noise", "bottleneck", "mi_estimator", "adversaries",
    "adversary_steps",
)  # fmt: skip
RANGES = ("budget", "privacy_weight")


class TuneConfig(Settings, frozen=True, kw_only=True):
    """The search (`tune`); settings that it does not vary come from `train`."""

    params_key: ClassVar[str] = "tune"

    trials: Annotated[int, Meta(ge=1, le=10_000, description="Number of trials.")] = 2
    seed: Annotated[
        int, Meta(ge=0, le=MAX_SEED, description="Seed of the sampler and of every trial.")
    ] = 0
    epochs: Annotated[
        int,
        Meta(
            ge=1, le=10_000,
            description="Epochs of a trial, fewer than in train; the warm-up shrinks alike.",
        ),
    ] = 3  # fmt: skip
    people: Annotated[
        int,
        Meta(
            ge=100, le=10**9,
            description="Records of extractor-train, and of attacker-train, that a trial uses.",
        ),
    ] = 4000  # fmt: skip
    seeds: Annotated[
        int,
        Meta(
            ge=1, le=20,
            description="Seeds for each setting near the Pareto front; the others have one.",
        ),
    ] = 1  # fmt: skip
    near: Annotated[
        int,
        Meta(ge=1, le=1000, description="Most settings that are tried with several seeds."),
    ] = 8
    limits: Annotated[
        tuple[Annotated[float, Meta(ge=0, le=1)], ...],
        Meta(
            description="Advantages (balanced accuracy above the best guess), for each of which "
            "best.yaml proposes settings.",
        ),
    ] = (0.05, 0.1, 0.15, 0.2)
    budget: Annotated[
        tuple[Annotated[float, Meta(gt=0, le=0.5)], ...],
        Meta(
            description="Lowest and highest train.objective.budget, searched on a logarithmic "
            "scale.",
        ),
    ] = (0.02, 0.3)
    privacy_weight: Annotated[
        tuple[Annotated[float, Meta(ge=0, le=1)], ...],
        Meta(description="Lowest and highest train.objective.privacy_weight."),
    ] = (0.3, 0.9)
    features: Annotated[
        tuple[int, ...], Meta(description="Widths of z to choose from; empty: as in train.")
    ] = (24, 32, 64)
    family: Annotated[
        tuple[Family, ...],
        Meta(description="Kinds of network to choose from; empty: as in train."),
    ] = ()
    cut: Annotated[
        tuple[int, ...],
        Meta(
            description="Last blocks of torchvision's networks to choose from; empty: as in train."
        ),
    ] = ()
    release_noise: Annotated[
        tuple[float, ...],
        Meta(
            description="Standard deviations of the noise on z, in training and in the exported "
            "file, to choose from; empty: as in train.",
        ),
    ] = ()
    bottleneck: Annotated[
        tuple[float, ...],
        Meta(description="Costs of each nat of z to choose from; empty: as in train."),
    ] = ()
    mi_estimator: Annotated[
        tuple[MiEstimator, ...],
        Meta(description="Estimators of the critic to choose from; empty: as in train."),
    ] = ()
    adversaries: Annotated[
        tuple[int, ...],
        Meta(description="Numbers of trained adversaries to choose from; empty: as in train."),
    ] = ()
    adversary_steps: Annotated[
        tuple[int, ...],
        Meta(description="Their steps for each extractor step to choose from; empty: as in train."),
    ] = ()
    attacks: Annotated[
        tuple[str, ...],
        Meta(
            min_length=1,
            description="Attacks that measure privacy, of which the strongest counts. The first "
            "also measures utility and must need no records.",
        ),
    ] = ("kernel", "mlp")

    def _check(self) -> None:
        for name in RANGES:
            bounds = getattr(self, name)
            if len(bounds) != 2 or bounds[0] > bounds[1]:
                raise ConfigError(f"tune.{name}", list(bounds), "[lowest, highest]")
        for name in self.attacks:
            attack_named(name, "tune.attacks", records=True)
        if ATTACKS[self.attacks[0]].needs_records:
            raise ConfigError(
                "tune.attacks", list(self.attacks), "first one that needs no records",
                "put another first: it measures utility too",
            )  # fmt: skip

    def searched(self) -> tuple[str, ...]:
        """Settings that a point names: the ranges, and the lists that are not empty."""
        return (*RANGES, *(name for name in _CHOICES if getattr(self, name)))


def space(config: TuneConfig) -> dict[str, Any]:
    """The search space for Optuna: setting -> distribution."""
    floats = optuna.distributions.FloatDistribution
    (least, most), (low, high) = config.budget, config.privacy_weight
    distributions: dict[str, Any] = {
        "budget": floats(least, most, log=True),
        "privacy_weight": floats(low, high),
    }
    for name in config.searched()[len(RANGES) :]:
        distributions[name] = optuna.distributions.CategoricalDistribution(getattr(config, name))
    return distributions


def trial_settings(
    point: Mapping[str, Any], config: TuneConfig, base: TrainConfig
) -> tuple[ObjectiveConfig, ExtractorConfig, ScheduleConfig]:
    """Training settings of a trial: without codes, which few people do not fill.

    Args:
        point: Setting -> value.
        config: The search.
        base: The settings that it does not vary.

    Raises:
        ConfigError: The settings contradict each other.
    """
    share = config.epochs / base.schedule.epochs
    objective = replace(
        base.objective, **{name: point[name] for name in _OBJECTIVE if name in point}
    )
    changed = {name: point[name] for name in _EXTRACTOR if name in point}
    extractor = replace(base.extractor, codes=0, **changed)
    objective.check_extractor(extractor)
    schedule = replace(base.schedule, epochs=config.epochs, warm_up=base.schedule.warm_up * share)
    return objective, extractor, schedule


def trial_head(config: TuneConfig, base: TrainConfig) -> HeadConfig:
    """The head's training in a trial: shorter by as much as the trunk's."""
    share = config.epochs / base.schedule.epochs
    return replace(base.head, epochs=max(1, round(share * base.head.epochs)))


def check(config: TuneConfig, base: TrainConfig, schema: Schema) -> None:
    """Refuse choices that no trial could train with, before any starts.

    Raises:
        ConfigError: A choice is out of range, or does not fit the modality of the records.
    """
    for name in config.searched():
        for value in getattr(config, name):
            try:
                _, extractor, _ = trial_settings({name: value}, config, base)
                resolve(extractor.family, InputSpec.of(schema))
            except ConfigError as error:
                where = f"tune.{name}, {error.where}"
                raise ConfigError(where, error.given, error.expected, error.hint) from None
    for family in config.family or (base.extractor.family,):
        for cut in config.cut:
            replace(base.extractor, family=family, cut=cut)


def snippet(point: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A point as a `train` section of params.yaml."""
    sections: dict[str, dict[str, Any]] = {"objective": {}, "extractor": {}}
    for name, value in point.items():
        sections["objective" if name in _OBJECTIVE else "extractor"][name] = value
    return sections
