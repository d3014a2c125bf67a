"""The order of the data, the rates, and a run that goes on as if it had never stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from tests.helpers import shards
from tiprdc.datasets.schema import SPLITS, Records, Schema, read_split
from tiprdc.errors import ConfigError, DataError, ModelError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.training import checkpoint
from tiprdc.training.diagnostics import diagnose
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Trainer, WorkerContext

MakeShards = Callable[..., Schema]
MakeTrainer = Callable[..., Trainer]


@pytest.fixture
def planted(tmp_path: Path, make_shards: MakeShards) -> tuple[Schema, Records]:
    schema = make_shards(tmp_path / "shards", "image")
    return schema, read_split(tmp_path / "shards", schema, "extractor-train")


@pytest.fixture
def make_trainer(planted: tuple[Schema, Records]) -> MakeTrainer:
    schema, _ = planted

    def make(
        *, features: int = 8, leace: bool = False, place: WorkerContext | None = None,
        game: ObjectiveConfig | None = None, **schedule: Any,
    ) -> Trainer:  # fmt: skip
        return Trainer(
            game or ObjectiveConfig(noise=0.1, adversaries=1),
            ExtractorConfig(width=8, features=features, leace=leace),
            ScheduleConfig(**{"epochs": 3, "batch": 16, "warm_up": 0.5, **schedule}),
            InputSpec.of(schema),
            {"secret": 2},
            seed=3,
            place=place or WorkerContext(),
        )

    return make


def test_going_on_from_a_checkpoint_equals_never_stopping(
    tmp_path: Path, planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    _, records = planted
    whole = make_trainer()
    whole.train_epoch(records)
    checkpoint.save(whole, tmp_path / "ck")
    whole.train_epoch(records)

    again = make_trainer()
    checkpoint.load(again, tmp_path / "ck")
    assert again.epoch == 1
    again.train_epoch(records)

    for name, tensor in whole.game.state_dict().items():
        assert torch.equal(tensor, again.game.state_dict()[name]), name
    assert [e["epoch"] for e in again.history] == [1, 2]
    assert again.history[1]["total"] == whole.history[1]["total"]


def test_mixed_precision_plays_the_same_game(
    planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    exact, mixed = (make_trainer(precision=p, warm_up=0.0) for p in ("fp32", "bf16"))
    wanted, found = exact.train_epoch(planted[1]), mixed.train_epoch(planted[1])
    for name in ("mutual_information", "adversary", "explained_variance"):
        assert found[name] == pytest.approx(wanted[name], rel=0.1), name
        assert found[name] != wanted[name], name
    assert all(p.dtype == torch.float32 for p in mixed.game.parameters())


def test_the_checkpoint_holds_every_player_and_no_pickle(
    tmp_path: Path, planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    trainer = make_trainer()
    trainer.train_epoch(planted[1])
    checkpoint.save(trainer, tmp_path)
    assert {p.name for p in tmp_path.iterdir() if p.is_file()} == {
        "checkpoint.json", "players.safetensors", "optimiser.safetensors",
    }  # fmt: skip
    players = {
        name.split(".")[0] for name in checkpoint._tensors(tmp_path / "players.safetensors", "cpu")
    }
    assert {"extractor", "adversaries", "critic"} <= players
    position = json.loads((tmp_path / "checkpoint.json").read_text())["position"]
    assert position == {"next_epoch": 1, "seed": 3}


def test_the_extractor_alone_gives_the_same_features(
    tmp_path: Path, planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    trainer = make_trainer()
    trainer.train_epoch(planted[1])
    checkpoint.save(trainer, tmp_path)
    alone = checkpoint.load_extractor(tmp_path)
    with torch.inference_mode():
        z = alone(torch.from_numpy(planted[1].x)).numpy()
    np.testing.assert_allclose(z, trainer.features(planted[1]), atol=1e-5)


def test_a_checkpoint_of_another_architecture_is_refused(
    tmp_path: Path, make_trainer: MakeTrainer
) -> None:
    checkpoint.save(make_trainer(), tmp_path)
    with pytest.raises(
        ModelError, match=r'a checkpoint of another extractor: .*"features": 8'
    ) as e:
        checkpoint.load(make_trainer(features=9), tmp_path)
    assert "hint: delete this folder" in str(e.value)


@pytest.mark.parametrize(
    "name", ["checkpoint.json", "players.safetensors", "optimiser.safetensors"]
)
def test_a_damaged_checkpoint_is_refused(
    tmp_path: Path, make_trainer: MakeTrainer, name: str
) -> None:
    checkpoint.save(make_trainer(), tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:7])
    with pytest.raises(ModelError, match="damaged"):
        checkpoint.load(make_trainer(), tmp_path)


def test_a_missing_checkpoint_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="run `dvc repro train` first"):
        checkpoint.load_extractor(tmp_path / "nowhere")


def test_workers_share_each_step_of_one_order(make_trainer: MakeTrainer) -> None:
    alone = list(make_trainer()._batches(80))
    shares = [list(make_trainer(place=WorkerContext(rank=r, world=2))._batches(80)) for r in (0, 1)]
    assert len(alone) == 5
    for whole, first, second in zip(alone, *shares, strict=True):
        assert torch.cat([first, second]).tolist() == whole.tolist()
    assert sorted(torch.cat(alone).tolist()) == list(range(80))


def test_pressure_waits_for_the_warm_up_and_rates_fall(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(warm_up=1.0)
    seen = []
    for progress in (0.0, 1.0, 1.5, 3.0):
        trainer._set_rates(progress)
        seen.append((trainer._pressure, trainer.optimiser.param_groups[0]["lr"]))
    assert [pressure for pressure, _ in seen] == [0, 0, 0.5, 1]
    assert seen[0][1] == pytest.approx(1e-3)
    assert seen[-1][1] == pytest.approx(5e-5)


def test_too_few_records_for_the_workers_is_refused(make_trainer: MakeTrainer) -> None:
    with pytest.raises(DataError, match="6 records for 2 workers"):
        list(make_trainer(place=WorkerContext(world=2))._batches(6))


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> dict[float, dict[str, float]]:
    """Price of a nat -> nats paid for, and what logistic regression recognises in fresh people."""
    folder = tmp_path_factory.mktemp("priced")
    schema = shards.make_shards(folder, "image", people=600)
    parts = {split: read_split(folder, schema, split) for split in SPLITS}
    found = {}
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
        z, asked = trainer.features(train), trainer.features(test)
        found[price] = {"kl": losses["kl"]} | {
            name: LogisticRegression().fit(z, train.labels[name]).score(asked, test.labels[name])
            for name in ("secret", "task")
        }
    return found


def test_a_higher_price_of_each_nat_hides_the_secret_before_it_takes_the_task(
    priced: dict[float, dict[str, float]],
) -> None:
    """Nobody looks for the secret: the critic knows it, so that it is not worth its price."""
    cheap, fair, dear = priced.values()
    assert cheap["kl"] > fair["kl"] > dear["kl"]
    assert cheap["secret"] > 0.8
    assert fair["secret"] < 0.58
    assert dear["secret"] < 0.58
    assert min(cheap["task"], fair["task"]) > 0.95
    assert dear["task"] < 0.65


def test_going_on_from_a_checkpoint_with_a_price_equals_never_stopping(
    tmp_path: Path, planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    rules = ObjectiveConfig(bottleneck=0.3, kernel_adversary=0.0, memory=0)
    whole = make_trainer(game=rules)
    whole.train_epoch(planted[1])
    checkpoint.save(whole, tmp_path / "ck")
    whole.train_epoch(planted[1])
    again = make_trainer(game=rules)
    checkpoint.load(again, tmp_path / "ck")
    again.train_epoch(planted[1])
    for name, tensor in whole.game.state_dict().items():
        assert torch.equal(tensor, again.game.state_dict()[name]), name
    with pytest.raises(ModelError, match="a checkpoint of another bottleneck: true"):
        checkpoint.load(make_trainer(game=ObjectiveConfig(memory=0)), tmp_path / "ck")


def test_mixed_precision_does_not_round_the_noise(
    planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    rules = ObjectiveConfig(bottleneck=0.3, kernel_adversary=0.0, memory=0)
    exact, mixed = (make_trainer(game=rules, precision=p) for p in ("fp32", "bf16"))
    wanted, found = exact.train_epoch(planted[1]), mixed.train_epoch(planted[1])
    assert found["kl"] == pytest.approx(wanted["kl"], rel=0.1)
    assert found["kl"] != wanted["kl"]


@pytest.mark.parametrize("leace", [False, True])
def test_the_diagnosis_is_the_same_again_and_disturbs_nothing(
    planted: tuple[Schema, Records], make_trainer: MakeTrainer, leace: bool
) -> None:
    _, records = planted
    alone, watched = make_trainer(leace=leace, epochs=2), make_trainer(leace=leace, epochs=2)
    found = []
    for _ in range(2):
        alone.train_epoch(records)
        watched.train_epoch(records)
        found.append(diagnose(watched, records))
        assert diagnose(watched, records) == found[-1]
    for name, tensor in alone.game.state_dict().items():
        assert torch.equal(tensor, watched.game.state_dict()[name]), name
    assert list(found[0]) == ["club_secret"]
    assert found[0] != found[1]


def test_the_diagnosis_follows_from_seed_and_epoch_where_features_are_random(
    tmp_path: Path, planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    rules = ObjectiveConfig(bottleneck=0.3, kernel_adversary=0.0, memory=0)
    whole = make_trainer(game=rules)
    for _ in range(2):
        whole.train_epoch(planted[1])
        found = diagnose(whole, planted[1])
        if whole.epoch == 1:
            checkpoint.save(whole, tmp_path)
    again = make_trainer(game=rules)
    checkpoint.load(again, tmp_path)
    again.train_epoch(planted[1])
    assert diagnose(again, planted[1]) == found


def test_the_diagnosis_asks_for_some_records_once_and_finds_what_is_there(
    tmp_path: Path, make_shards: MakeShards, make_trainer: MakeTrainer
) -> None:
    schema = make_shards(tmp_path, "image", people=2000)
    records = read_split(tmp_path, schema, "extractor-train")
    asked: list[int] = []

    class Watched:
        def __len__(self) -> int:
            return len(records)

        def batches(self, rows: Iterable[np.ndarray]) -> Iterator[Records]:
            for wanted in rows:
                asked.append(len(np.unique(wanted)))
                yield records.take(wanted)

    plain = make_trainer(game=ObjectiveConfig(privacy_weight=0.0))
    assert diagnose(plain, Watched())["club_secret"] > 0.3
    assert asked == [1536]
    shuffled = records.labels["secret"][np.random.default_rng(0).permutation(len(records))]
    blind = replace(records, labels={"secret": shuffled})
    assert abs(diagnose(plain, blind)["club_secret"]) < 0.05


def test_a_schedule_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"train.schedule.batch: 2\n  expected: 8 to 65536"):
        ScheduleConfig(batch=2)


def test_the_guard_is_fitted_after_the_last_epoch_and_comes_back_with_the_checkpoint(
    tmp_path: Path, planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    _, records = planted
    trainer = make_trainer(leace=True, epochs=2)
    leace = trainer.game.extractor.leace
    trainer.train_epoch(records)
    assert torch.equal(leace.inward, torch.eye(8))
    trainer.train_epoch(records)
    assert torch.linalg.matrix_rank(leace.inward) == 7
    checkpoint.save(trainer, tmp_path / "ck")
    z = checkpoint.load_extractor(tmp_path / "ck")(torch.from_numpy(records.x))
    np.testing.assert_allclose(z.detach(), trainer.features(records), atol=1e-4)


def test_the_reconstruction_adversary_takes_further_steps_as_others_do(
    planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    def steps(count: int) -> dict[str, int]:
        trainer = make_trainer(game=ObjectiveConfig(reconstruction=1.0, adversary_steps=count))
        trainer.train_epoch(planted[1])
        (decoder,) = trainer.game.rebuilder
        taken = trainer.optimiser.state
        return {
            name: int(taken[next(iter(player.parameters()))]["step"])
            for name, player in (("decoder", decoder), ("extractor", trainer.game.extractor))
        }

    once, thrice = steps(1), steps(3)
    assert once["decoder"] == once["extractor"] == thrice["extractor"]
    assert thrice["decoder"] == 3 * once["decoder"]
