from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from pipelines.search.space import (
    TuneConfig,
    check,
    snippet,
    space,
    trial_config,
    trunk_config,
)
from tiprdc.datasets.schema import Schema
from tiprdc.errors import ConfigError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.training.config import TrainConfig
from tiprdc.training.head.config import HeadConfig
from tiprdc.training.objective_config import ObjectiveConfig

MakeShards = Callable[..., Schema]


def test_settings_without_choices_keep_the_value_of_train() -> None:
    config = TuneConfig(features=(), adversaries=(0, 2), release_noise=(0.0, 0.5), epochs=2)
    assert list(space(config)) == [
        "budget", "privacy_weight", "release_noise", "adversaries",
    ]  # fmt: skip
    point = {"privacy_weight": 0.7, "budget": 0.05, "release_noise": 0.5, "adversaries": 2}
    base = TrainConfig(extractor=ExtractorConfig(features=48))
    trial = trial_config(point, config, base)
    objective, extractor, schedule = trial.objective, trial.extractor, trial.schedule
    assert (objective.privacy_weight, objective.adversaries, objective.adversary_steps) == (
        0.7,
        2,
        2,
    )
    assert (extractor.features, extractor.release_noise) == (48, 0.5)
    # The warm-up is the same share of a shorter training.
    assert (schedule.epochs, schedule.warm_up) == (2, 0.25)
    assert snippet(point) == {
        "objective": {"privacy_weight": 0.7, "budget": 0.05, "adversaries": 2},
        "extractor": {"release_noise": 0.5},
    }


def test_search_of_the_head_alone_has_one_trunk() -> None:
    config = TuneConfig(
        budget=(), privacy_weight=(), features=(), weight=(0.5, 16.0), release_noise=(0.2, 0.8),
        head=(64, 128), epochs=2,
    )  # fmt: skip
    assert list(space(config)) == ["weight", "release_noise", "head"]
    base = TrainConfig(extractor=ExtractorConfig(head=512), head=HeadConfig(epochs=40, batch=512))
    points = [
        {"weight": 2.0, "release_noise": 0.8, "head": 64},
        {"weight": 9.0, "release_noise": 0.2, "head": 128},
    ]
    trials = [trial_config(point, config, base) for point in points]
    assert [trial.head.weight for trial in trials] == [2.0, 9.0]
    assert [trial.extractor.head for trial in trials] == [64, 128]
    assert trials[0].head.epochs < base.head.epochs
    assert trunk_config(trials[0], base) == trunk_config(trials[1], base) is not None
    wider = trial_config({"features": 48}, config, base)
    assert trunk_config(wider, base) != trunk_config(trials[0], base)
    assert not config.varies_trunk()
    assert structs.replace(config, features=(24, 48)).varies_trunk()
    assert snippet(points[0]) == {
        "extractor": {"release_noise": 0.8, "head": 64}, "head": {"weight": 2.0},
    }  # fmt: skip


def test_trunk_before_leace_or_without_head_is_shared_with_no_trial() -> None:
    for extractor in (ExtractorConfig(), ExtractorConfig(head=64, leace=True)):
        base = TrainConfig(extractor=extractor)
        assert trunk_config(trial_config({}, TuneConfig(), base), base) is None


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"family": ("mlp", "cnn")}, r"tune.family, train.extractor.family: cnn\n.*for table"),
        ({"features": (8, 1)}, "tune.features, train.extractor.features: 1"),
        ({"adversaries": (9,)}, "tune.adversaries, train.objective.adversaries: 9"),
        ({"bottleneck": (-1.0,)}, "tune.bottleneck, train.objective.bottleneck: -1"),
        ({"release_noise": (-1.0,)}, "tune.release_noise, train.extractor.release_noise: -1"),
        ({"weight": (0.5, 8.0)}, r"tune.weight: train.extractor.head is 0(.|\n)*head: 512"),
        ({"head": (64,)}, r"tune.head: train.extractor.head is 0(.|\n)*tune.head: \[\]"),
    ],
)
def test_impossible_choices_are_refused_before_any_trial(
    choices: dict[str, tuple[object, ...]], message: str, tmp_path: Path, make_shards: MakeShards
) -> None:
    schema = make_shards(tmp_path, "table")
    check(TuneConfig(), TrainConfig(), schema)
    with pytest.raises(ConfigError, match=message):
        check(TuneConfig(**choices), TrainConfig(), schema)  # type: ignore[arg-type]  # one key


def test_release_noise_and_bottleneck_are_not_searched_together(
    tmp_path: Path, make_shards: MakeShards
) -> None:
    base = TrainConfig(objective=ObjectiveConfig(bottleneck=0.3))
    with pytest.raises(ConfigError, match=r"tune.release_noise, .*: 0.5 with a bottleneck"):
        check(TuneConfig(release_noise=(0.0, 0.5)), base, make_shards(tmp_path, "table"))
    noisy = TrainConfig(extractor=ExtractorConfig(release_noise=0.5))
    with pytest.raises(ConfigError, match=r"tune.bottleneck, .*: 0.5 with a bottleneck"):
        check(TuneConfig(bottleneck=(0.0, 0.3)), noisy, make_shards(tmp_path, "table"))


def test_every_pair_of_family_and_cut_is_checked(tmp_path: Path, make_shards: MakeShards) -> None:
    schema = make_shards(tmp_path, "image")
    check(TuneConfig(family=("vgg16_bn", "resnet18"), cut=(1, 4)), TrainConfig(), schema)
    with pytest.raises(ConfigError, match=r"train.extractor.cut: 5"):
        check(TuneConfig(family=("vgg16_bn", "resnet18"), cut=(1, 5)), TrainConfig(), schema)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"privacy_weight": (0.9, 0.5)}, r"tune.privacy_weight: \[0.9, 0.5\]"),
        ({"budget": (0.0, 0.2)}, "tune.budget"),
        ({"budget": (), "privacy_weight": (), "features": ()}, "tune: nothing is varied"),
        ({"attacks": ("mpl",)}, "did you mean 'mlp'"),
        ({"attacks": ()}, "tune.attacks: empty"),
        ({"attacks": ("decensoring", "mlp")}, "first one that needs no records"),
        ({"seeds": 0}, "tune.seeds"),
        ({"limits": (0.1, 1.5)}, r"tune.limits\[1\]: 1.5\n  expected: 0 to 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TuneConfig(**settings)  # type: ignore[arg-type]
