"""examples/protect_audio.py writes recordings that `tiprdc protect` reads, with a leak to hide."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from tiprdc.audit.foreign.request import AuditRequest
from tiprdc.datasets.prepare_config import PrepareConfig
from tiprdc.datasets.schema import read_split
from tiprdc.models.inputs import attack_inputs
from tiprdc.protect.preparation import prepare, records_config
from tiprdc.protect.training import train, train_config
from tiprdc.training import checkpoint

ROOT = Path(__file__).parents[2]


def test_example_writes_voices_whose_sex_the_command_can_hide(tmp_path: Path) -> None:
    table = tmp_path / "clips" / "recordings.csv"
    ended = subprocess.run(
        [sys.executable, "examples/protect_audio.py", str(table.parent), "--people", "300"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert ended.stdout == (
        f"tiprdc protect {table} --private speaker_sex --task word --duration 0.8 -o release\n"
    )
    request = AuditRequest(
        models=(), data=table, private=("speaker_sex",), utility=("word",), duration=0.8, rate=8000
    )
    config = PrepareConfig(dataset="manifest", manifest=records_config(request), min_people=1)
    schema = prepare(config, tmp_path / "shards", lambda share: None, lambda line: None)
    records = read_split(tmp_path / "shards", schema, "extractor-train")
    assert (schema.modality, records.x.shape) == ("audio", (180, 6400))
    levels = attack_inputs(records.x, schema).mean(3).reshape(180, -1)
    u = records.labels["speaker_sex"]
    half = np.arange(180) < 90
    fitted = LogisticRegression(max_iter=2000).fit(levels[half] / 64, u[half])
    assert fitted.score(levels[~half] / 64, u[~half]) > 0.7
    changes = {"head": {"epochs": 1, "batch": 16}, "extractor": {"head": 8, "features": 16}}
    settings = train_config(schema, changes)
    train(settings, "protected", schema, records, tmp_path / "ck", lambda share: None)
    extractor = checkpoint.load_extractor(tmp_path / "ck")
    assert extractor(torch.from_numpy(records.x)).shape == (180, 16)
