"""examples/collector.py trains a classifier on feature files of `tiprdc extract`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.release_samples import FEATURES, overflowing, write_release
from tiprdc.formats.manifest import read_contract
from tiprdc.runtime.extraction import extract
from tiprdc.runtime.extractor import Extractor
from tiprdc.runtime.feature_files import read_features, write_features
from tiprdc.runtime.records import open_records
from tiprdc.statistics.binomial import interval

ROOT = Path(__file__).parents[2]
LINE = (
    r"on (\d+) new devices: (\d\.\d+) \(one-sided 95 % bounds (\d\.\d+) and (\d\.\d+)\);"
    r" chance is 0\.500"
)


def run_collector(folder: Path, received: str = "received") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "examples/collector.py", str(folder / received),
         str(folder / "answers.csv")],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Feature files of 120 devices with three records each; the label is age > 40."""
    tmp_path = tmp_path_factory.mktemp("devices")
    release = write_release(tmp_path / "release", "table")
    extractor, contract = Extractor.load(release), read_contract(release / "manifest.json")
    rng = np.random.default_rng(0)
    answers = ["device,id,label"]
    for device in range(120):
        ages = rng.integers(20, 60, 3)
        rows = [f"{age},Private,{rng.integers(20, 60)}" for age in ages]
        table = tmp_path / f"d{device}.csv"
        table.write_text("\n".join(["age,job,hours", *rows]) + "\n")
        extract(extractor, open_records(table, contract), tmp_path / "received" / f"d{device}.npz")
        labels = ["yes" if age > 40 else "no" for age in ages]
        answers += [f"d{device},{n},{label}" for n, label in enumerate(labels, 1)]
    (tmp_path / "answers.csv").write_text("\n".join(answers) + "\n")
    return tmp_path


@pytest.fixture
def received(devices: Path, tmp_path: Path) -> Path:
    """A copy of them."""
    return Path(shutil.copytree(devices, tmp_path / "copy"))


def test_collector_learns_a_label_that_features_predict(received: Path) -> None:
    ended = run_collector(received)
    assert ended.returncode == 0, ended.stderr
    assert "120 devices, 360 labelled records, 5 features each" in ended.stdout
    score = re.search(LINE, ended.stdout)
    assert score
    people, value, low, high = map(float, score.groups())
    assert value > 0.85
    assert low < value <= high
    assert interval(round(value * people), int(people)).low == pytest.approx(low, abs=0.001)


def test_export_of_a_collector_gives_the_same_score(received: Path) -> None:
    names, rows = [], []
    for file in sorted((received / "received").glob("*.npz")):
        (piece,) = read_features(file, 1000)
        names += [f"{file.stem}/{id_}" for id_ in piece.ids]
        rows.append(piece.features)
    write_features(received / "features.parquet", names, rows, (FEATURES,), "ab" * 32)
    outputs = [run_collector(received, name).stdout for name in ("features.parquet", "received")]
    assert outputs[0] == outputs[1] != ""


def test_collector_does_not_learn_random_labels(received: Path) -> None:
    lines = (received / "answers.csv").read_text().splitlines()
    labels = np.random.default_rng(1).permutation([line.rsplit(",", 1)[1] for line in lines[1:]])
    heads = [line.rsplit(",", 1)[0] for line in lines[1:]]
    rows = [f"{head},{label}" for head, label in zip(heads, labels, strict=True)]
    (received / "answers.csv").write_text("\n".join([lines[0], *rows]) + "\n")
    score = re.search(LINE, run_collector(received).stdout)
    assert score
    _, _, low, high = map(float, score.groups())
    assert low < 0.5 < high


def test_collector_refuses_features_of_two_models(received: Path) -> None:
    release = write_release(received / "other", "table", data=overflowing())
    contract = read_contract(release / "manifest.json")
    records = open_records(received / "d0.csv", contract)
    extract(Extractor.load(release), records, received / "received" / "other.npz")
    ended = run_collector(received)
    assert ended.returncode != 0
    assert "features of 2 different models" in ended.stderr
