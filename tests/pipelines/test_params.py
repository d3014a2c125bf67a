from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from pipelines.params import load
from tiprdc.errors import ConfigError, check_range


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float = 0.1
    steps: int = 3

    def __post_init__(self) -> None:
        check_range("train.inner.rate", self.rate, 0, 1)


@dataclass(frozen=True, kw_only=True)
class Config:
    name: str
    inner: Inner = field(default_factory=Inner)
    mode: Literal["entropy", "cross_entropy"] = "entropy"
    shuffle: bool = True
    columns: tuple[str, ...] = ()
    grid: tuple[float, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)
    folder: str | None = None
    width: int = 8


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def _read(text: str) -> Config:
        path = tmp_path / "params.yaml"
        path.write_text(text)
        return load("train", Config, path)

    return _read


def test_a_section_becomes_its_dataclass(read: Any) -> None:
    config = read("""
train:
  name: "no"
  inner:
    rate: 1e-4
  mode: cross_entropy
  shuffle: false
  columns: [age, sex]
  grid:
    - 1
    - 0.5
  weights: {sex: 2}
  folder: data
""")
    assert config == Config(
        name="no", inner=Inner(rate=1e-4), mode="cross_entropy", shuffle=False,
        columns=("age", "sex"), grid=(1.0, 0.5), weights={"sex": 2.0}, folder="data",
    )  # fmt: skip
    assert type(config.grid[0]) is float


def test_yaml_is_1_2_as_dvc_reads_it(read: Any) -> None:
    assert read("train: {name: no, inner: {rate: 1e-4}}").name == "no"
    with pytest.raises(ConfigError, match=r"train\.shuffle: 'yes' \(text\)"):
        read("train: {name: a, shuffle: yes}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train: {nmae: a}", ["train.nmae: unknown key", "did you mean 'name'?"]),
        ("train: {name: a, inner: {stops: 1}}", ["train.inner.stops", "did you mean 'steps'?"]),
        ("train: {}", ["train.name: missing", "expected: text", "add `name:` under train"]),
        ("trian: {name: a}", ["train: no such section", "did you mean 'trian'?"]),
        ("cluster: {}", ["train: no such section", "add `train:`"]),
        ("train: {name: 3}", ["train.name: 3 (a whole number)", "expected: text", "in quotes"]),
        ("train: {name: a, width: 8.0}", ["train.width: 8.0 (a number)", "a whole number"]),
        ("train: {name: a, width: true}", ["train.width: True (true or false)"]),
        ("train: {name: a, inner: {rate: true}}", ["train.inner.rate: True", "expected: a number"]),
        ("train: {name: a, inner: {rate: .nan}}", ["train.inner.rate: nan", "expected: a number"]),
        ("train: {name: a, inner: {rate: 2}}", ["train.inner.rate: 2.0", "expected: 0 to 1"]),
        ("train: {name: a, shuffle: 1}", ["train.shuffle: 1", "expected: true or false"]),
        ("train: {name: a, mode: entrpy}", ["train.mode: entrpy", "did you mean 'entropy'?"]),
        ("train: {name: a, columns: age}", ["train.columns: 'age' (text)", "as a list"]),
        ("train: {name: a, columns: [1]}", ["train.columns[0]: 1 (a whole number)"]),
        ("train: {name: a, weights: {sex: x}}", ["train.weights.sex: 'x' (text)", "a number"]),
        ("train: {name: a, inner: 3}", ["train.inner: 3 (a whole number)", "keys with values"]),
        ("train: {name: a, folder: 3}", ["train.folder: 3", "expected: text"]),
        ("train: {name: a, width: }", ["train.width: nothing", "expected: a whole number"]),
        ("train: [a]", ["train: a list of 1", "keys with values"]),
        ("train: {name: a}\ntrain: {name: b}", ["line 2", "duplicate key"]),
        ("train:\n  name: [", ["params.yaml, line", "expected: YAML 1.2"]),
        ("", ["params.yaml: nothing", "sections with keys"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(read: Any, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        read(text)
    for word in words:
        assert word in str(raised.value)


def test_no_file_says_where_to_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run this in the project's folder"):
        load("train", Config, tmp_path / "params.yaml")
