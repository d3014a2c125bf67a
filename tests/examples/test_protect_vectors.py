"""examples/protect_vectors.py writes vectors that `tiprdc protect` reads, with a leak to hide."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from sklearn.linear_model import LogisticRegression

from tiprdc.audit.foreign.request import AuditRequest
from tiprdc.datasets.prepare_config import PrepareConfig
from tiprdc.datasets.schema import read_split
from tiprdc.protect.preparation import prepare, records_config
from tiprdc.protect.training import train, train_config
from tiprdc.training import checkpoint

ROOT = Path(__file__).parents[2]


def test_example_writes_people_whose_gender_the_command_can_hide(tmp_path: Path) -> None:
    path = tmp_path / "people.parquet"
    ended = subprocess.run(
        [sys.executable, "examples/protect_vectors.py", str(path), "--people", "300"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert ended.stdout == f"tiprdc protect {path} --private gender --task task -o release\n"
    request = AuditRequest(models=(), data=path, private=("gender",), utility=("task",))
    config = PrepareConfig(dataset="manifest", manifest=records_config(request), min_people=1)
    schema = prepare(config, tmp_path / "shards", lambda share: None, lambda line: None)
    records = read_split(tmp_path / "shards", schema, "extractor-train")
    fitted = LogisticRegression(max_iter=500).fit(records.x, records.labels["gender"])
    assert fitted.score(records.x, records.labels["gender"]) > 0.8
    settings = train_config(schema, {"head": {"epochs": 1, "batch": 16}, "extractor": {"head": 8}})
    train(settings, "protected", schema, records, tmp_path / "ck", lambda share: None)
    extractor = checkpoint.load_extractor(tmp_path / "ck")
    assert extractor(torch.from_numpy(records.x)).shape == (180, 64)
