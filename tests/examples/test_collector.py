"""examples/collector.py trains a classifier on feature files of `tiprdc extract`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.release_samples import overflowing, write_release
from tiprdc.formats.manifest import read_contract
from tiprdc.runtime.extraction import extract
from tiprdc.runtime.extractor import Extractor
from tiprdc.runtime.records import open_records

ROOT = Path(__file__).parents[2]


def run_collector(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "examples/collector.py", str(folder / "received"),
         str(folder / "answers.csv")],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.fixture
def received(tmp_path: Path) -> Path:
    """Feature files of twelve devices with ten records each; the label is age > 40."""
    release = write_release(tmp_path / "release", "table")
    extractor, contract = Extractor.load(release), read_contract(release / "manifest.json")
    rng = np.random.default_rng(0)
    answers = ["device,id,label"]
    for device in range(12):
        ages = rng.integers(20, 60, 10)
        rows = [f"{age},Private,{rng.integers(20, 60)}" for age in ages]
        table = tmp_path / f"d{device}.csv"
        table.write_text("\n".join(["age,job,hours", *rows]) + "\n")
        extract(extractor, open_records(table, contract), tmp_path / "received" / f"d{device}.npz")
        labels = ["yes" if age > 40 else "no" for age in ages]
        answers += [f"d{device},{n},{label}" for n, label in enumerate(labels, 1)]
    (tmp_path / "answers.csv").write_text("\n".join(answers) + "\n")
    return tmp_path


def test_collector_learns_a_label_that_features_predict(received: Path) -> None:
    ended = run_collector(received)
    assert ended.returncode == 0, ended.stderr
    assert "12 devices, 120 labelled records, 5 features each" in ended.stdout
    score = re.search(r"new devices: (\d\.\d+); chance is 0\.500", ended.stdout)
    assert score
    assert float(score[1]) > 0.85


def test_collector_does_not_learn_random_labels(received: Path) -> None:
    lines = (received / "answers.csv").read_text().splitlines()
    labels = np.random.default_rng(1).permutation([line.rsplit(",", 1)[1] for line in lines[1:]])
    heads = [line.rsplit(",", 1)[0] for line in lines[1:]]
    rows = [f"{head},{label}" for head, label in zip(heads, labels, strict=True)]
    (received / "answers.csv").write_text("\n".join([lines[0], *rows]) + "\n")
    score = re.search(r"new devices: (\d\.\d+)", run_collector(received).stdout)
    assert score
    assert float(score[1]) < 0.75


def test_collector_refuses_features_of_two_models(received: Path) -> None:
    release = write_release(received / "other", "table", data=overflowing())
    contract = read_contract(release / "manifest.json")
    records = open_records(received / "d0.csv", contract)
    extract(Extractor.load(release), records, received / "received" / "other.npz")
    ended = run_collector(received)
    assert ended.returncode != 0
    assert "features of 2 different models" in ended.stderr
