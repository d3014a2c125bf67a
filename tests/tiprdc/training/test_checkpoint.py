"""Checkpoints: a resumed run equals an uninterrupted one; damaged and foreign ones are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.trainers import BOTTLENECK, MakeTrainer, assert_same_state
from tiprdc.datasets.schema import Records, Schema
from tiprdc.errors import ModelError
from tiprdc.training import checkpoint
from tiprdc.training.objective_config import ObjectiveConfig


def test_resumed_run_equals_uninterrupted_run(
    tmp_path: Path, planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    _, records = planted
    uninterrupted = make_trainer()
    uninterrupted.train_epoch(records)
    checkpoint.save(uninterrupted, tmp_path / "ck")
    uninterrupted.train_epoch(records)

    resumed = make_trainer()
    checkpoint.load(resumed, tmp_path / "ck")
    assert resumed.epoch == 1
    resumed.train_epoch(records)

    assert_same_state(resumed, uninterrupted)
    assert [e["epoch"] for e in resumed.history] == [1, 2]
    assert resumed.history[1]["total"] == uninterrupted.history[1]["total"]


def test_resumed_run_with_bottleneck_equals_uninterrupted_run(
    tmp_path: Path, planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    uninterrupted = make_trainer(objective=BOTTLENECK)
    uninterrupted.train_epoch(planted[1])
    checkpoint.save(uninterrupted, tmp_path / "ck")
    uninterrupted.train_epoch(planted[1])
    resumed = make_trainer(objective=BOTTLENECK)
    checkpoint.load(resumed, tmp_path / "ck")
    resumed.train_epoch(planted[1])
    assert_same_state(resumed, uninterrupted)
    with pytest.raises(ModelError, match="a checkpoint of another bottleneck: true"):
        checkpoint.load(make_trainer(objective=ObjectiveConfig(memory=0)), tmp_path / "ck")


def test_checkpoint_holds_every_network_and_no_pickle(
    tmp_path: Path, planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    trainer = make_trainer()
    trainer.train_epoch(planted[1])
    checkpoint.save(trainer, tmp_path)
    assert {p.name for p in tmp_path.iterdir() if p.is_file()} == {
        "checkpoint.json", "networks.safetensors", "optimiser.safetensors",
    }  # fmt: skip
    networks = {
        name.split(".")[0] for name in checkpoint._tensors(tmp_path / "networks.safetensors", "cpu")
    }
    assert {"extractor", "adversaries", "critic"} <= networks
    position = json.loads((tmp_path / "checkpoint.json").read_text())["position"]
    assert position == {"next_epoch": 1, "seed": 3}


def test_loaded_extractor_gives_the_same_features(
    tmp_path: Path, planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    trainer = make_trainer()
    trainer.train_epoch(planted[1])
    checkpoint.save(trainer, tmp_path)
    extractor = checkpoint.load_extractor(tmp_path)
    with torch.inference_mode():
        z = extractor(torch.from_numpy(planted[1].x)).numpy()
    np.testing.assert_allclose(z, trainer.features(planted[1]), atol=1e-5)


def test_checkpoint_of_another_architecture_is_refused(
    tmp_path: Path, make_trainer: MakeTrainer
) -> None:
    checkpoint.save(make_trainer(), tmp_path)
    with pytest.raises(
        ModelError, match=r'a checkpoint of another extractor: .*"features": 8'
    ) as raised:
        checkpoint.load(make_trainer(features=9), tmp_path)
    assert "hint: delete this folder" in str(raised.value)


@pytest.mark.parametrize(
    "name", ["checkpoint.json", "networks.safetensors", "optimiser.safetensors"]
)
def test_damaged_checkpoint_is_refused(
    tmp_path: Path, make_trainer: MakeTrainer, name: str
) -> None:
    checkpoint.save(make_trainer(), tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:7])
    with pytest.raises(ModelError, match="damaged"):
        checkpoint.load(make_trainer(), tmp_path)


def test_missing_checkpoint_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="run `dvc repro train` first"):
        checkpoint.load_extractor(tmp_path / "nowhere")


def test_leace_is_fitted_after_the_last_epoch_and_saved_in_the_checkpoint(
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
