"""`tiprdc protect` on a text encoder: what it asks for, and the release that devices run."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from tests.helpers.text_encoders import WORDS, write_files, write_texts, write_tokenizer
from tiprdc.audit.foreign.request import AuditRequest
from tiprdc.cli import main
from tiprdc.datasets.prepare_config import PrepareConfig
from tiprdc.datasets.schema import read_schema, read_split
from tiprdc.encoders.encoder import open_encoder
from tiprdc.errors import ConfigError, DataError, ModelError
from tiprdc.protect.preparation import encoder_config, manifest_config, prepare
from tiprdc.protect.training import options_in_errors
from tiprdc.runtime.extractor import Extractor


@pytest.fixture
def request_(tmp_path: Path) -> AuditRequest:
    return AuditRequest(
        models=(write_files(tmp_path),), data=write_texts(tmp_path), private=("gender",), length=12
    )


def shards(request: AuditRequest, folder: Path) -> Path:
    config = PrepareConfig(dataset="manifest", manifest=manifest_config(request), min_people=1)
    prepare(config, folder, lambda share: None, lambda line: None)
    return folder


def test_texts_are_prepared_with_the_tokenizer_beside_the_encoder(
    request_: AuditRequest, tmp_path: Path
) -> None:
    schema = read_schema(shards(request_, tmp_path / "shards"))
    assert (schema.modality, schema.shape, schema.vocabulary_size) == ("text", (12,), len(WORDS))
    assert (schema.tokenizer_file, schema.padding, schema.pads_left) == ("tokenizer.json", 1, False)
    x = read_split(tmp_path / "shards", schema, "extractor-train").x
    assert (x[:, 0] == 0).all()
    assert (x[:, -1] == 1).all()
    assert open_encoder(encoder_config(request_), schema).features(x[:3]).shape == (3, 12)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tokenizer": Path("none.json")}, r"^--tokenizer: none\.json does not exist(.|\n)*save"),
        ({"length": None}, r"give the number of tokens of a text, e\.g\. --length 128"),
        ({"output": "tokens"}, r"^--pooling: not given(.|\n)*mean over the tokens"),
        ({"output": "token"}, r"^--output: token(.|\n)*did you mean 'tokens'"),
    ],
)
def test_what_must_be_stated_is_asked_for_before_the_data_are_read(
    request_: AuditRequest, changes: dict[str, Any], words: str
) -> None:
    request_.data.write_text("text,gender\n")
    with pytest.raises((ConfigError, DataError), match=words):
        manifest_config(replace(request_, **changes))


def test_a_tokenizer_of_another_encoder_is_refused_by_its_option(
    request_: AuditRequest, tmp_path: Path
) -> None:
    write_tokenizer(tmp_path / "tokenizer.json", (*WORDS, *(f"x{n}" for n in range(40))))
    schema = read_schema(shards(request_, tmp_path / "shards"))
    words = r"it fails on the tokenizer's last tokens(.|\n)*set --tokenizer"
    with pytest.raises(ModelError, match=words), options_in_errors():
        open_encoder(encoder_config(request_), schema)


def test_texts_without_a_token_are_left_out_or_refused(
    request_: AuditRequest, tmp_path: Path
) -> None:
    lines = request_.data.read_text().splitlines()
    lines[1] = f'" ",{lines[1].split(",", 1)[1]}'
    request_.data.write_text("\n".join(lines))
    assert read_schema(shards(request_, tmp_path / "one")).unreadable == 1
    for row in range(2, 6):
        lines[row] = f",{lines[row].split(',', 1)[1]}"
    request_.data.write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"5 of 120 records cannot be used \(empty: 5\)"):
        shards(request_, tmp_path / "many")


class Transformer(nn.Module):
    """One layer of attention that leaves padding out."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(len(WORDS), width), nn.Embedding(32, width)
        self.attention = nn.Linear(width, 3 * width)
        self.feed = nn.Sequential(nn.Linear(width, 32), nn.GELU(), nn.Linear(32, width))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        e = self.words(ids) + self.places(torch.arange(ids.shape[1]))
        q, k, v = self.attention(e).chunk(3, dim=-1)
        hidden = (1 - mask[:, None].float()) * -1e4
        e = e + torch.softmax(q @ k.transpose(1, 2) / 4 + hidden, -1) @ v
        result: Tensor = e + self.feed(e)
        return result


@pytest.mark.slow
def test_protect_writes_a_release_that_reads_texts_with_the_encoders_tokenizer(
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    ids = torch.ones(2, 8, dtype=torch.int64)
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens", max=32)}
    with warnings.catch_warnings():
        # Advice for developers of torch's exporter.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Transformer().eval(), (ids, ids.clone()), tmp_path / "encoder.onnx", dynamo=True,
            external_data=False, verbose=False, input_names=["input_ids", "attention_mask"],
            output_names=["tokens"], dynamic_shapes=(sizes, sizes),
        )  # fmt: skip
    write_tokenizer(tmp_path / "tokenizer.json")
    data = write_texts(tmp_path, people=2400)
    (tmp_path / "policy.yaml").write_text("min_people: 100\n")
    command = [
        "protect", str(tmp_path / "encoder.onnx"), "--data", str(data), "--private", "gender",
        "--task", "task", "--length", "12", "--pooling", "mean", "--features", "6",
        "-o", str(tmp_path / "release"), "--policy", str(tmp_path / "policy.yaml"), "--json",
    ]  # fmt: skip
    ended = CliRunner().invoke(main._commands, command)
    assert ended.exit_code in (0, 1, 2), ended.output
    assert isinstance(ended.exception, SystemExit | None), ended.exception
    result = json.loads(ended.stdout)
    assert result["attributes"]["gender"]["strongest"]["balanced_accuracy"] < 0.65
    assert result["attributes"]["gender"]["ceiling"] > 0.75
    assert sorted(path.name for path in (tmp_path / "release").iterdir()) == [
        "audit.intoto.json", "audit.json", "extractor.onnx", "manifest.json", "model_card.md",
        "tokenizer.json",
    ]  # fmt: skip
    extractor = Extractor.load(tmp_path / "release")
    texts = ["w1 w2 w40", "w59 " * 30]
    assert extractor.encode(texts)[0].tolist() == [0, 5, 6, 44, 2, *[1] * 7]
    assert np.isfinite(extractor(texts)).all()
    (tmp_path / "new.txt").write_text("w1 w2 w40\nw59 w58\n")
    out = tmp_path / "z.npz"
    ended = CliRunner().invoke(
        main._commands,
        ["extract", str(tmp_path / "release"), str(tmp_path / "new.txt"), "-o", str(out)],
    )
    assert ended.exit_code == 0, (ended.output, ended.exception)
    assert np.load(out)["features"].shape == (2, 6)
