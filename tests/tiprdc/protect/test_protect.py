"""Vectors of people become an audited release in one process; a killed run goes on."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tests.helpers.encoders import encoder, write_encoder
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.foreign.request import AuditRequest
from tiprdc.cli import main
from tiprdc.datasets.prepare_config import PrepareConfig
from tiprdc.datasets.schema import Records, Schema, read_split
from tiprdc.errors import ConfigError, DataError
from tiprdc.protect.preparation import encoder_config, manifest_config, prepare, records_config
from tiprdc.protect.run import ProtectRequest, protect
from tiprdc.protect.training import run_name, train, train_config
from tiprdc.runtime.extractor import Extractor
from tiprdc.training import checkpoint
from tiprdc.training.config import TrainConfig
from tiprdc.training.trainer import Trainer

WIDTH = 12


def write_people(path: Path, people: int = 400, **columns: Any) -> Path:
    """Vectors whose first number tells `gender` and whose second tells `task`."""
    rng = np.random.default_rng(0)
    gender, task = rng.integers(2, size=(2, people))
    x = rng.standard_normal((people, WIDTH)).astype(np.float32)
    x[:, 0] += 2 * gender
    x[:, 1] += 2 * task
    table = {
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), WIDTH),
        "gender": pa.array(np.array(["f", "m"])[gender]),
        "task": pa.array(np.array(["no", "yes"])[task]),
        **columns,
    }
    pq.write_table(pa.table(table), path)
    return path


def request(path: Path, **changes: Any) -> AuditRequest:
    return AuditRequest(models=(), data=path, private=("gender",), utility=("task",), **changes)


@pytest.fixture
def prepared(tmp_path: Path) -> tuple[Schema, Records]:
    config = records_config(request(write_people(tmp_path / "people.parquet")))
    shards = tmp_path / "shards"
    schema = prepare(
        PrepareConfig(dataset="manifest", manifest=config), shards, lambda share: None,
        lambda line: None,
    )  # fmt: skip
    return schema, read_split(shards, schema, "extractor-train")


def small(schema: Schema) -> TrainConfig:
    changes = {"head": {"epochs": 2, "batch": 32}, "extractor": {"head": 16}}
    return train_config(schema, changes)


def test_the_only_column_of_vectors_is_found(tmp_path: Path) -> None:
    path = write_people(tmp_path / "people.parquet", note=pa.array(["text"] * 400))
    assert records_config(request(path)).x == ("vector",)


def test_two_columns_of_vectors_are_asked_about_with_an_option_that_helps(tmp_path: Path) -> None:
    other = pa.array([[1.0, 2.0]] * 400)
    path = write_people(tmp_path / "people.parquet", other=other)
    with pytest.raises(ConfigError, match=r"vector, other hold (.|\n)*add --x vector"):
        records_config(request(path))
    assert records_config(request(path, x=("other",))).x == ("other",)


def test_missing_vectors_are_named_as_the_command_does(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^SOURCE: .*people\.parquet does not exist"):
        records_config(request(tmp_path / "people.parquet"))


def test_a_table_without_vectors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("gender,age\nf,30\nm,40\n")
    with pytest.raises(ConfigError, match=r"no column of people\.csv holds vectors or recordings"):
        records_config(request(tmp_path / "people.csv"))


def test_the_only_column_of_recordings_is_found(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("clip,gender\na.wav,f\nb.flac,m\n")
    config = records_config(request(tmp_path / "clips.csv", rate=8000, duration=0.5))
    assert (config.modality, config.x) == ("audio", ("clip",))
    assert (config.rate, config.duration) == (8000, 0.5)
    with pytest.raises(ConfigError, match=r"^--rate: 8000, but vector holds(.|\n)*leave --rate"):
        records_config(request(write_people(tmp_path / "people.parquet"), rate=8000))


def test_pictures_are_read_in_the_size_of_the_encoder(tmp_path: Path) -> None:
    path = write_encoder(tmp_path / "e.onnx", encoder(size=24))
    (tmp_path / "faces.csv").write_text("image,gender\na.png,f\nb.png,m\n")
    request = AuditRequest(
        models=(path,), data=tmp_path / "faces.csv", private=("gender",), pixels="0..1"
    )
    config = manifest_config(request)
    assert (config.modality, config.size, config.x) == ("image", 24, ("image",))
    stated = encoder_config(request)
    assert (stated.path, stated.pixels, stated.channels) == (str(path), "0..1", "rgb")
    with pytest.raises(ConfigError, match=r"^--pixels: not given"):
        manifest_config(replace(request, pixels=None))


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["e.onnx"], "--data: not given(.|\n)*add --data people.csv"),
        (["people.parquet", "--data", "people.csv"], "leave --data out"),
    ],
)
def test_an_encoder_alone_needs_data(words: list[str], refusal: str) -> None:
    ended = CliRunner().invoke(main._commands, ["protect", *words, "--private", "gender"])
    assert re.search(refusal, str(ended.exception))


def test_a_missing_exporter_is_named_before_any_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = write_people(tmp_path / "people.parquet")
    monkeypatch.setattr(sys, "argv", ["tiprdc", "protect", str(path), "--private", "gender"])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        main.app()
    assert ended.value.code == 2
    assert 'pip install "tiprdc[train]"' in capsys.readouterr().err


def test_refusals_name_options_and_no_settings(tmp_path: Path) -> None:
    path = write_people(tmp_path / "people.parquet")
    config = records_config(AuditRequest(models=(), data=path, private=("gendre",)))
    with pytest.raises(DataError) as error:
        prepare(
            PrepareConfig(dataset="manifest", manifest=config), tmp_path / "shards",
            lambda share: None, lambda line: None,
        )  # fmt: skip
    assert "--private" in str(error.value)
    assert "prepare.manifest" not in str(error.value)
    assert not (tmp_path / "shards").exists()


def test_settings_out_of_range_are_refused_by_the_name_of_their_option(
    prepared: tuple[Schema, Records], tmp_path: Path
) -> None:
    schema, records = prepared
    with pytest.raises(ConfigError, match=r"^--noise: "):
        train_config(schema, {"extractor": {"release_noise": -1.0}})
    config = train_config(schema, {"extractor": {"features": 13}})
    with pytest.raises(ConfigError, match=r"^--features: (.|\n)*set --features to 12 or less"):
        train(config, "protected", schema, records, tmp_path / "ck", lambda share: None)


def test_vectors_get_components_and_a_head(prepared: tuple[Schema, Records]) -> None:
    config = train_config(prepared[0], {"extractor": {"release_noise": 0.7}, "seed": 3})
    assert (config.extractor.features, config.extractor.head) == (WIDTH, 512)
    assert (config.extractor.release_noise, config.seed) == (0.7, 3)


def test_a_killed_training_goes_on_after_its_last_epoch(
    tmp_path: Path, prepared: tuple[Schema, Records], monkeypatch: pytest.MonkeyPatch
) -> None:
    schema, records = prepared
    config, trained = small(schema), list[int]()
    train_epoch = Trainer.train_epoch

    def until_killed(self: Trainer, *args: Any) -> dict[str, float]:
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(self.epoch)
        return train_epoch(self, *args)

    monkeypatch.setattr(Trainer, "train_epoch", until_killed)
    with pytest.raises(KeyboardInterrupt):
        train(config, "protected", schema, records, tmp_path / "killed", lambda share: None)
    monkeypatch.setattr(Trainer, "train_epoch", train_epoch)
    for name in ("killed", "whole"):
        train(config, "protected", schema, records, tmp_path / name, lambda share: None)
    assert [len(checkpoint.history(tmp_path / name)) for name in ("killed", "whole")] == [3, 3]
    weights = [(tmp_path / n / "networks.safetensors").read_bytes() for n in ("killed", "whole")]
    assert weights[0] == weights[1]


def test_other_settings_are_another_training(prepared: tuple[Schema, Records]) -> None:
    schema, _ = prepared
    names = {run_name(train_config(schema, {"head": {"weight": w}}), schema) for w in (1, 1, 2)}
    assert len(names) == 2


def test_too_few_people_are_refused_before_training(tmp_path: Path) -> None:
    path = write_people(tmp_path / "people.parquet")
    few = ProtectRequest(
        records=request(path), audit=AuditConfig(), out=tmp_path / "release",
        private=tmp_path / "work",
    )  # fmt: skip
    with pytest.raises(DataError, match=r"at least 200(.|\n)*lower min_people in a file for --po"):
        protect(few, lambda step, share: None, lambda line: None)
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["shards"]


@pytest.mark.slow
def test_protect_writes_a_release_that_devices_run(tmp_path: Path) -> None:
    data = write_people(tmp_path / "people.parquet", people=2400)
    (tmp_path / "policy.yaml").write_text("min_people: 100\n")
    command = [
        "protect", str(data), "--private", "gender", "--task", "task", "--features", "6",
        "-o", str(tmp_path / "release"), "--policy", str(tmp_path / "policy.yaml"), "--json",
    ]  # fmt: skip
    ended = CliRunner().invoke(main._commands, command)
    assert ended.exit_code in (0, 1, 2), ended.output
    result = json.loads(ended.stdout)
    assert result["attributes"]["gender"]["strongest"]["balanced_accuracy"] < 0.65
    assert result["attributes"]["gender"]["ceiling"] > 0.75
    assert result["utility"]["task"]["kept"] > 0.2
    assert sorted(path.name for path in (tmp_path / "release").iterdir()) == [
        "audit.intoto.json", "audit.json", "extractor.onnx", "manifest.json", "model_card.md",
    ]  # fmt: skip
    assert (tmp_path / "release-private" / "report" / "index.html").is_file()
    z = Extractor.load(tmp_path / "release").run(np.zeros((3, WIDTH), np.float32))
    assert z.shape == (3, 6)
    again = CliRunner().invoke(main._commands, command)
    assert "add --replace" in str(again.exception)
