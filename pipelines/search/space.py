"""The search space: ranges and choices, and the training settings of a sampled point.

A range is `[lowest, highest]`. An empty list of choices leaves the setting at its value in `train`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import optuna

from pipelines.training.run import TrainConfig
from tiprdc.attacks.suite import ATTACKS, attack_named
from tiprdc.datasets.schema import Schema
from tiprdc.errors import ConfigError, check_range
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.trunk import Family, resolve
from tiprdc.objectives.estimators import MiEstimator
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


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """The search (`tune`); what it does not vary comes from `train`."""

    trials: int = 2
    """Settings to try, 1 to 10,000."""
    seed: int = 0
    """Seed of the sampler and of every trial, >= 0."""
    epochs: int = 3
    """Epochs of a trial, 1 to 10,000: fewer than in `train`; the warm-up shrinks alike."""
    people: int = 4000
    """Records of extractor-train, and of attacker-train, that a trial uses, >= 100."""
    seeds: int = 1
    """Seeds that each setting near the front is tried with, 1 to 20; the others with one."""
    near: int = 8
    """Settings at most that are tried with several seeds, 1 to 1,000."""
    limits: tuple[float, ...] = (0.05, 0.1, 0.15, 0.2)
    """Advantages (balanced accuracy above the best guess) to name the best settings for, 0 to 1."""
    budget: tuple[float, ...] = (0.02, 0.3)
    """Lowest and highest `train.objective.budget`, searched on a logarithmic scale."""
    privacy_weight: tuple[float, ...] = (0.3, 0.9)
    """Lowest and highest lambda."""
    features: tuple[int, ...] = (16, 24, 32)
    """Widths of z to choose among."""
    family: tuple[Family, ...] = ()
    """Kinds of network to choose among."""
    cut: tuple[int, ...] = ()
    """Last blocks of vgg16_bn or resnet18 to choose among."""
    release_noise: tuple[float, ...] = ()
    """Amounts of noise on z, in training and at release, to choose among."""
    bottleneck: tuple[float, ...] = ()
    """Prices of each nat of z to choose among."""
    mi_estimator: tuple[MiEstimator, ...] = ()
    """The critic's estimators to choose among."""
    adversaries: tuple[int, ...] = ()
    """Numbers of trained adversaries to choose among."""
    adversary_steps: tuple[int, ...] = ()
    """Their steps for each of the extractor's, to choose among."""
    attacks: tuple[str, ...] = ("kernel", "mlp")
    """Attacks that judge privacy, the strongest counts, and the first of them utility: that one
    needs no records."""

    def __post_init__(self) -> None:
        check_range("tune.trials", self.trials, 1, 10_000)
        check_range("tune.seed", self.seed, 0, 2**31 - 1)
        check_range("tune.epochs", self.epochs, 1, 10_000)
        check_range("tune.people", self.people, 100, 10**9)
        check_range("tune.seeds", self.seeds, 1, 20)
        check_range("tune.near", self.near, 1, 1000)
        for limit in self.limits:
            check_range("tune.limits", limit, 0, 1)
        for name in RANGES:
            bounds = getattr(self, name)
            if len(bounds) != 2 or not 0 <= bounds[0] <= bounds[1]:
                raise ConfigError(f"tune.{name}", list(bounds), "[lowest, highest]")
        if self.budget[0] <= 0:
            raise ConfigError("tune.budget", list(self.budget), "budgets above 0")
        if not self.attacks:
            raise ConfigError("tune.attacks", "nothing", "at least one attack")
        for name in self.attacks:
            attack_named(name, "tune.attacks", records=True)
        if ATTACKS[self.attacks[0]].needs_records:
            raise ConfigError(
                "tune.attacks", list(self.attacks), "first one that needs no records",
                "put another first: it judges utility too",
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
    """Training settings of a trial.

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
    extractor = replace(base.extractor, **changed)
    objective.agrees_with(extractor)
    schedule = replace(base.schedule, epochs=config.epochs, warm_up=base.schedule.warm_up * share)
    return objective, extractor, schedule


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
