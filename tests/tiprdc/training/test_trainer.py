"""Rates, warm-up, precision and the steps of a trainer."""

from __future__ import annotations

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from tests.helpers import shards
from tests.helpers.trainers import BOTTLENECK, MakeTrainer
from tiprdc.datasets.schema import SPLITS, Records, Schema, read_split
from tiprdc.errors import ConfigError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Trainer


def test_mixed_precision_gives_nearly_the_same_losses(
    planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    full, mixed = (make_trainer(precision=p, warm_up=0.0) for p in ("fp32", "bf16"))
    expected, losses = full.train_epoch(planted[1]), mixed.train_epoch(planted[1])
    for name in ("mutual_information", "adversary", "explained_variance"):
        assert losses[name] == pytest.approx(expected[name], rel=0.1), name
        assert losses[name] != expected[name], name
    assert all(p.dtype == torch.float32 for p in mixed.game.parameters())


def test_pressure_starts_after_warm_up_and_rates_decay(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(warm_up=1.0)
    points = []
    for progress in (0.0, 1.0, 1.5, 3.0):
        trainer._set_progress(progress)
        points.append((trainer._pressure, trainer.optimiser.param_groups[0]["lr"]))
    assert [pressure for pressure, _ in points] == [0, 0, 0.5, 1]
    assert points[0][1] == pytest.approx(1e-3)
    assert points[-1][1] == pytest.approx(5e-5)


@pytest.fixture(scope="module")
def by_price(tmp_path_factory: pytest.TempPathFactory) -> dict[float, dict[str, float]]:
    """Price of a nat -> KL divergence, and accuracy of logistic regression on other people."""
    folder = tmp_path_factory.mktemp("by_price")
    schema = shards.make_shards(folder, "image", people=600)
    parts = {split: read_split(folder, schema, split) for split in SPLITS}
    results = {}
    for price in (0.01, 0.2, 5.0):
        rates = {"extractor_rate": 5e-3, "critic_rate": 5e-3}
        trainer = Trainer(
            ObjectiveConfig(privacy_weight=0.5, bottleneck=price, kernel_adversary=0.0, memory=0),
            ExtractorConfig(width=8, features=4),
            ScheduleConfig(epochs=20, batch=60, warm_up=2.0, **rates),
            InputSpec.of(schema), {"secret": 2}, seed=0,
        )  # fmt: skip
        while trainer.epoch < 20:
            losses = trainer.train_epoch(parts["extractor-train"])
        train, test = parts["attacker-train"], parts["attacker-test"]
        z, z_test = trainer.features(train), trainer.features(test)
        results[price] = {"kl": losses["kl"]} | {
            name: LogisticRegression().fit(z, train.labels[name]).score(z_test, test.labels[name])
            for name in ("secret", "task")
        }
    return results


def test_higher_bottleneck_price_hides_the_secret_before_the_task(
    by_price: dict[float, dict[str, float]],
) -> None:
    """There is no adversary: the critic knows the secret, so it is not worth its price."""
    low, medium, high = by_price.values()
    assert low["kl"] > medium["kl"] > high["kl"]
    assert low["secret"] > 0.8
    assert medium["secret"] < 0.58
    assert high["secret"] < 0.58
    assert min(low["task"], medium["task"]) > 0.95
    assert high["task"] < 0.65


def test_mixed_precision_does_not_round_the_noise(
    planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    full, mixed = (make_trainer(objective=BOTTLENECK, precision=p) for p in ("fp32", "bf16"))
    expected, losses = full.train_epoch(planted[1]), mixed.train_epoch(planted[1])
    assert losses["kl"] == pytest.approx(expected["kl"], rel=0.1)
    assert losses["kl"] != expected["kl"]


def test_schedule_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"train.schedule.batch: 2\n  expected: 8 to 65536"):
        ScheduleConfig(batch=2)


def test_reconstruction_adversary_takes_further_steps(
    planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    def steps(count: int) -> dict[str, int]:
        trainer = make_trainer(objective=ObjectiveConfig(reconstruction=1.0, adversary_steps=count))
        trainer.train_epoch(planted[1])
        (decoder,) = trainer.game.record_decoders
        state = trainer.optimiser.state
        return {
            name: int(state[next(iter(network.parameters()))]["step"])
            for name, network in (("decoder", decoder), ("extractor", trainer.game.extractor))
        }

    once, thrice = steps(1), steps(3)
    assert once["decoder"] == once["extractor"] == thrice["extractor"]
    assert thrice["decoder"] == 3 * once["decoder"]
