"""The search space: ranges and choices, and the training settings of a sampled point.

A range is `[lowest, highest]`. An empty range or list leaves the setting at its value in `train`.
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
from tiprdc.models.inputs import InputSpec
from tiprdc.models.trunks.trunk import Family, resolve
from tiprdc.objectives.estimators import MiEstimator
from tiprdc.settings import MAX_SEED, Settings
from tiprdc.training.config import TrainConfig
from tiprdc.training.head.config import HeadConfig

_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "objective": (
        "budget", "privacy_weight", "bottleneck", "mi_estimator", "adversaries", "adversary_steps",
    ),
    "extractor": ("family", "cut", "features", "release_noise", "head"),
    "head": ("weight",),
}  # fmt: skip
"""Section of `train` -> its settings that can be searched."""
_CHOICES = (
    "features", "family", "cut", "release_noise", "head", "bottleneck", "mi_estimator",
    "adversaries", "adversary_steps",
)  # fmt: skip
_RANGES = ("budget", "privacy_weight", "weight")
_LOGARITHMIC = ("budget", "weight")
_OF_THE_HEAD = ("weight", "release_noise", "head")
_HEAD_SHARE, _HEAD_BATCH = 0.1, 256
"""Epochs of the head in a trial, of those in `train`; and records in a step, at most."""


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
            "scale; empty: as in train.",
        ),
    ] = (0.02, 0.3)
    privacy_weight: Annotated[
        tuple[Annotated[float, Meta(ge=0, le=1)], ...],
        Meta(description="Lowest and highest train.objective.privacy_weight; empty: as in train."),
    ] = (0.3, 0.9)
    weight: Annotated[
        tuple[Annotated[float, Meta(gt=0, le=1000)], ...],
        Meta(
            description="Lowest and highest train.head.weight, searched on a logarithmic scale; "
            "empty: as in train. Trials that differ in settings of the head alone share a trunk.",
        ),
    ] = ()
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
    head: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=8192)], ...],
        Meta(description="Units of the head's hidden layers to choose from; empty: as in train."),
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
        for name in _RANGES:
            bounds = getattr(self, name)
            if bounds and (len(bounds) != 2 or bounds[0] > bounds[1]):
                raise ConfigError(f"tune.{name}", list(bounds), "[lowest, highest], or []")
        if not self.searched():
            raise ConfigError(
                "tune", "nothing is varied", f"a range or values of one of {_joined()}",
                "set tune.weight: [0.5, 16] where there is a head, else tune.budget: [0.02, 0.3]",
            )  # fmt: skip
        for name in self.attacks:
            attack_named(name, "tune.attacks", records=True)
        if ATTACKS[self.attacks[0]].needs_records:
            raise ConfigError(
                "tune.attacks", list(self.attacks), "first one that needs no records",
                "put another first: it measures utility too",
            )  # fmt: skip

    def searched(self) -> tuple[str, ...]:
        """Settings that a point names: the ranges and lists that are not empty."""
        return tuple(name for name in (*_RANGES, *_CHOICES) if getattr(self, name))

    def varies_trunk(self) -> bool:
        """Whether two points may differ in more than the settings of a head."""
        return any(name not in _OF_THE_HEAD for name in self.searched())


def _joined() -> str:
    return ", ".join((*_RANGES, *_CHOICES))


def space(config: TuneConfig) -> dict[str, Any]:
    """The search space for Optuna: setting -> distribution."""
    distributions: dict[str, Any] = {}
    for name in config.searched():
        values = getattr(config, name)
        distributions[name] = (
            optuna.distributions.FloatDistribution(values[0], values[1], log=name in _LOGARITHMIC)
            if name in _RANGES
            else optuna.distributions.CategoricalDistribution(values)
        )
    return distributions


def trial_config(
    point: Mapping[str, Any], config: TuneConfig, base: TrainConfig, seed: int = 0
) -> TrainConfig:
    """Settings of a trial: shorter, and without codes, which few people do not fill.

    Args:
        point: Setting -> value.
        config: The search.
        base: The settings that it does not vary.
        seed: Of the trial.

    Raises:
        ConfigError: The settings contradict each other.
    """
    changed = {
        section: {name: point[name] for name in names if name in point}
        for section, names in _SECTIONS.items()
    }
    share = config.epochs / base.schedule.epochs
    return replace(
        base,
        seed=seed,
        objective=replace(base.objective, **changed["objective"]),
        extractor=replace(base.extractor, codes=0, **changed["extractor"]),
        schedule=replace(
            base.schedule, epochs=config.epochs, warm_up=base.schedule.warm_up * share
        ),
        head=replace(
            base.head, **changed["head"],
            epochs=max(1, round(_HEAD_SHARE * base.head.epochs)),
            batch=min(_HEAD_BATCH, base.head.batch),
        ),
    )  # fmt: skip


def trunk_config(trial: TrainConfig, base: TrainConfig) -> TrainConfig | None:
    """What the trunk of a trial depends on: equal settings give equal trunks.

    Args:
        trial: Settings of the trial.
        base: The settings that the search does not vary.

    Returns:
        The settings without those of head and noise; None if the trunk serves no other trial: there
        is no head, or LEACE, which reads records, comes behind it.
    """
    if not trial.extractor.head or trial.extractor.leace:
        return None
    extractor = replace(trial.extractor, head=base.extractor.head, release_noise=0.0)
    return replace(trial, extractor=extractor, head=HeadConfig())


def check(config: TuneConfig, base: TrainConfig, schema: Schema) -> None:
    """Refuse choices that no trial could train with, before any starts.

    Raises:
        ConfigError: A choice is out of range, does not fit the modality of the records, or is one
            of a head where there is none.
    """
    for name in ("weight", "head"):
        if getattr(config, name) and not base.extractor.head:
            raise ConfigError(
                f"tune.{name}", "train.extractor.head is 0: there is no head to search",
                hint=f"set tune.{name}: [], or train.extractor.head: 512",
            )  # fmt: skip
    for name in config.searched():
        for value in getattr(config, name):
            try:
                extractor = trial_config({name: value}, config, base).extractor
                resolve(extractor.family, InputSpec.of(schema))
            except ConfigError as error:
                where = f"tune.{name}, {error.where}"
                raise ConfigError(where, error.given, error.expected, error.hint) from None
    for family in config.family or (base.extractor.family,):
        for cut in config.cut:
            replace(base.extractor, family=family, cut=cut)


def snippet(point: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A point as a `train` section of params.yaml."""
    sections = {
        section: {name: point[name] for name in names if name in point}
        for section, names in _SECTIONS.items()
    }
    return {section: values for section, values in sections.items() if values}
