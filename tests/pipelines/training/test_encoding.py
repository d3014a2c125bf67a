"""The stages that train read the features of an encoder, where one is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.training import encoding
from pipelines.training.encoding import trained_shards
from tests.helpers.encoders import encoder, write_encoder
from tests.helpers.shards import make_shards
from tiprdc.datasets.schema import read_schema, read_split, write_schema
from tiprdc.errors import ConfigError
from tiprdc.training.config import TrainConfig
from tiprdc.training.encoder_config import EncoderConfig


def test_without_an_encoder_the_shards_are_those_of_prepare(tmp_path: Path) -> None:
    make_shards(tmp_path, "table", people=40)
    assert trained_shards(TrainConfig(), tmp_path) == tmp_path


def test_our_own_networks_do_not_take_the_padding_of_a_foreign_tokenizer(tmp_path: Path) -> None:
    schema = replace(make_shards(tmp_path, "text", people=40), padding=1, tokenizer_file="t.json")
    write_schema(tmp_path, schema, [])
    with pytest.raises(ConfigError, match=r"pads with token 1 behind a text"):
        trained_shards(TrainConfig(), tmp_path)


def test_with_an_encoder_they_are_vectors_of_the_splits_that_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "CACHE", tmp_path / "encoded")
    schema = make_shards(tmp_path / "shards", "image", people=40)
    path = write_encoder(tmp_path / "e.onnx", encoder(7))
    config = TrainConfig(encoder=EncoderConfig(path=str(path), pixels="0..1"))
    folder = trained_shards(config, tmp_path / "shards", ("extractor-train", "attacker-train"))
    vectors = read_schema(folder)
    for split in ("extractor-train", "attacker-train"):
        assert read_split(folder, vectors, split).x.shape == (schema.records[split], 7)
    assert not (folder / "attacker-test").exists()
