"""The order of the data, the rates, and a run that goes on as if it had never stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tiprdc import checkpoint
from tiprdc.datasets.schema import Records, Schema, read_split
from tiprdc.errors import ConfigError, DataError, ModelError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.trainer import Place, ScheduleConfig, Trainer
from tiprdc.training import GameConfig

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
        *, features: int = 8, guard: bool = False, place: Place | None = None,
        game: GameConfig | None = None, **schedule: Any,
    ) -> Trainer:  # fmt: skip
        return Trainer(
            game or GameConfig(noise=0.1, adversaries=1),
            ExtractorConfig(width=8, features=features, guard=guard),
            ScheduleConfig(**{"epochs": 3, "batch": 16, "warm_up": 0.5, **schedule}),
            InputSpec.of(schema),
            {"secret": 2},
            seed=3,
            place=place or Place(),
        )

    return make


def test_going_on_from_a_checkpoint_equals_never_stopping(
    tmp_path: Path, planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    _, records = planted
    whole = make_trainer()
    whole.play_epoch(records)
    checkpoint.save(whole, tmp_path / "ck")
    whole.play_epoch(records)

    again = make_trainer()
    checkpoint.load(again, tmp_path / "ck")
    assert again.epoch == 1
    again.play_epoch(records)

    for name, tensor in whole.game.state_dict().items():
        assert torch.equal(tensor, again.game.state_dict()[name]), name
    assert [e["epoch"] for e in again.history] == [1, 2]
    assert again.history[1]["total"] == whole.history[1]["total"]


def test_mixed_precision_plays_the_same_game(
    planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    exact, mixed = (make_trainer(precision=p, warm_up=0.0) for p in ("fp32", "bf16"))
    wanted, found = exact.play_epoch(planted[1]), mixed.play_epoch(planted[1])
    for name in ("mutual_information", "adversary", "explained_variance"):
        assert found[name] == pytest.approx(wanted[name], rel=0.1), name
        assert found[name] != wanted[name], name
    assert all(p.dtype == torch.float32 for p in mixed.game.parameters())


def test_the_checkpoint_holds_every_player_and_no_pickle(
    tmp_path: Path, planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    trainer = make_trainer()
    trainer.play_epoch(planted[1])
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
    trainer.play_epoch(planted[1])
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
    assert "mend: delete this folder" in str(e.value)


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
    shares = [list(make_trainer(place=Place(rank=r, world=2))._batches(80)) for r in (0, 1)]
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
        list(make_trainer(place=Place(world=2))._batches(6))


def test_a_schedule_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"train.schedule.batch: 2\n  allowed: 8 to 65536"):
        ScheduleConfig(batch=2)


def test_the_guard_is_fitted_after_the_last_epoch_and_comes_back_with_the_checkpoint(
    tmp_path: Path, planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    _, records = planted
    trainer = make_trainer(guard=True, epochs=2)
    guard = trainer.game.extractor.guard
    trainer.play_epoch(records)
    assert torch.equal(guard.inward, torch.eye(8))
    trainer.play_epoch(records)
    assert torch.linalg.matrix_rank(guard.inward) == 7
    checkpoint.save(trainer, tmp_path / "ck")
    z = checkpoint.load_extractor(tmp_path / "ck")(torch.from_numpy(records.x))
    np.testing.assert_allclose(z.detach(), trainer.features(records), atol=1e-4)


def test_the_reconstruction_adversary_takes_further_steps_as_others_do(
    planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    def steps(count: int) -> dict[str, int]:
        trainer = make_trainer(game=GameConfig(reconstruction=1.0, adversary_steps=count))
        trainer.play_epoch(planted[1])
        (decoder,) = trainer.game.rebuilder
        taken = trainer.optimiser.state
        return {
            name: int(taken[next(iter(player.parameters()))]["step"])
            for name, player in (("decoder", decoder), ("extractor", trainer.game.extractor))
        }

    once, thrice = steps(1), steps(3)
    assert once["decoder"] == once["extractor"] == thrice["extractor"]
    assert thrice["decoder"] == 3 * once["decoder"]
