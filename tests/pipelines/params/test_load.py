from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import pytest
from msgspec import Meta

from pipelines.params import load as params
from pipelines.params.load import MOVED, load
from pipelines.params.schema import SCHEMA, SECTIONS, settings_class
from tiprdc.errors import ConfigError
from tiprdc.settings import Settings

ROOT = Path(__file__).parents[3]


class Inner(Settings, frozen=True, kw_only=True):
    params_key: ClassVar[str] = "train.inner"

    rate: Annotated[float, Meta(ge=0, le=1)] = 0.1
    steps: int = 3

    def _check(self) -> None:
        if self.rate == 1 and self.steps == 0:
            raise ConfigError("train.inner.steps", "0 with a rate of 1")


class Config(Settings, frozen=True, kw_only=True):
    params_key: ClassVar[str] = "train"

    name: str
    inner: Inner = Inner()
    mode: Literal["entropy", "cross_entropy"] = "entropy"
    shuffle: bool = True
    columns: tuple[str, ...] = ()
    grid: tuple[float, ...] = ()
    weights: dict[str, Annotated[float, Meta(gt=0)]] = {}
    folder: str | None = None
    width: int = 8
    seeds: Annotated[tuple[Annotated[int, Meta(ge=0)], ...], Meta(min_length=1)] = (0,)
    share: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    workers: Annotated[int, Meta(ge=1, le=9)] | tuple[Annotated[int, Meta(ge=1, le=9)], ...] = 1


Read = Callable[[str], Config]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def _read(text: str) -> Config:
        path = tmp_path / "params.yaml"
        path.write_text(text)
        return load("train", Config, path)

    return _read


def test_section_becomes_its_settings_class(read: Read) -> None:
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
  workers: [1, 4]
""")
    assert config == Config(
        name="no", inner=Inner(rate=1e-4), mode="cross_entropy", shuffle=False,
        columns=("age", "sex"), grid=(1.0, 0.5), weights={"sex": 2.0}, folder="data",
        workers=(1, 4),
    )  # fmt: skip
    assert type(config.grid[0]) is float


def test_yaml_is_1_2_as_dvc_reads_it(read: Read) -> None:
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
        ("train: {name: a, inner: {rate: 1, steps: 0}}", ["train.inner.steps: 0 with a rate of 1"]),
        ("train: {name: a, shuffle: 1}", ["train.shuffle: 1", "expected: true or false"]),
        ("train: {name: a, mode: entrpy}", ["train.mode: entrpy", "did you mean 'entropy'?"]),
        ("train: {name: a, columns: age}", ["train.columns: 'age' (text)", "as a list"]),
        ("train: {name: a, columns: [1]}", ["train.columns[0]: 1 (a whole number)"]),
        ("train: {name: a, weights: {sex: x}}", ["train.weights.sex: 'x' (text)", "a number"]),
        ("train: {name: a, weights: {sex: 0}}", ["train.weights.sex: 0.0", "expected: above 0"]),
        ("train: {name: a, inner: 3}", ["train.inner: 3 (a whole number)", "keys with values"]),
        ("train: {name: a, folder: 3}", ["train.folder: 3", "expected: text"]),
        ("train: {name: a, width: }", ["train.width: nothing", "expected: a whole number"]),
        ("train: {name: a, seeds: []}", ["train.seeds: empty", "expected: at least one"]),
        ("train: {name: a, seeds: [1, -1]}", ["train.seeds[1]: -1", "expected: at least 0"]),
        ("train: {name: a, share: 1}", ["train.share: 1.0", "expected: above 0 and below 1"]),
        ("train: {name: a, workers: 12}", ["train.workers: 12", "expected: 1 to 9"]),
        ("train: {name: a, workers: [1, 12]}", ["train.workers[1]: 12", "expected: 1 to 9"]),
        ("train: {name: a, workers: x}", ["train.workers: 'x'", "a whole number or a list"]),
        ("train: [a]", ["train: a list of 1", "keys with values"]),
        ("train: {name: a}\ntrain: {name: b}", ["line 2", "duplicate key"]),
        ("train:\n  name: [", ["params.yaml, line", "expected: YAML 1.2"]),
        ("", ["params.yaml: nothing", "sections with keys"]),
    ],
)  # fmt: skip
def test_faulty_file_is_refused_with_key_and_expected_values(
    read: Read, text: str, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as raised:
        read(text)
    for word in words:
        assert word in str(raised.value)


def test_missing_file_names_the_folder_to_run_in(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run this in the project's folder"):
        load("train", Config, tmp_path / "params.yaml")


def test_large_file_is_refused(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(params, "MAX_BYTES", 10)
    with pytest.raises(ConfigError, match=r"too large\n  expected: at most 10 bytes"):
        read("train: {name: a}")


def test_ranges_hold_in_python_too() -> None:
    with pytest.raises(ConfigError, match=r"train\.inner\.rate: 2\.0\n  expected: 0 to 1"):
        Inner(rate=2)
    with pytest.raises(ConfigError, match=r"train\.inner\.rate: nan"):
        msgspec.structs.replace(Inner(), rate=float("nan"))
    with pytest.raises(ConfigError, match=r"train\.inner\.steps: 0 with a rate of 1"):
        msgspec.structs.replace(Inner(rate=1), steps=0)


def test_python_values_become_the_fields_types() -> None:
    config = Config(name="a", inner=Inner(rate=1), columns=["age"])  # type: ignore[arg-type]  # as JSON has it
    assert type(config.inner.rate) is float
    assert config.columns == ("age",)


def test_conflict_is_named_by_the_key_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("comparison: {name: a, inner: {rate: 1, steps: 0}}\n")
    with pytest.raises(ConfigError, match=r"^comparison\.inner\.steps: 0 with a rate of 1"):
        load("comparison", Config, path)


@pytest.mark.parametrize("old", MOVED)
def test_moved_key_is_refused_with_its_name_now(old: str, tmp_path: Path) -> None:
    section, *keys = old.split(".")
    text = "1"
    for key in reversed(keys):
        text = f"{{{key}: {text}}}"
    path = tmp_path / "params.yaml"
    path.write_text(f"{section}: {text}\n")
    with pytest.raises(ConfigError) as raised:
        load(section, settings_class(section), path)
    assert "this key has moved" in str(raised.value)
    assert f"{old} -> {MOVED[old]}" in str(raised.value)


@pytest.mark.parametrize("new", sorted(set(MOVED.values())))
def test_moved_key_exists_under_its_name_now(new: str) -> None:
    section, *keys = new.split(".")
    config: Any = settings_class(section)()
    for key in keys:
        config = getattr(config, key)


def test_all_moved_keys_are_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("train: {game: {keep: jsd, refit: 3}, retries: 1}\n")
    with pytest.raises(ConfigError) as raised:
        load("train", settings_class("train"), path)
    for names in (
        "train.game -> train.objective", "train.game.keep -> train.objective.mi_estimator",
        "train.game.refit -> train.objective.refit_every", "train.retries -> cluster.retries",
    ):  # fmt: skip
        assert names in str(raised.value)


def test_schema_for_editors_is_up_to_date() -> None:
    from pipelines.params.schema import schema_text

    assert (ROOT / SCHEMA).read_text() == schema_text(), (
        "run `python -m pipelines.params.schema` and commit params.schema.json"
    )
    first = (ROOT / "params.yaml").read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema={SCHEMA}"


def test_params_yaml_is_valid_by_the_schema() -> None:
    import json

    import jsonschema

    schema = json.loads((ROOT / SCHEMA).read_text())
    sections = json.loads(json.dumps(params.read(ROOT / "params.yaml")))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(sections, schema)
    assert set(SECTIONS) == set(schema["properties"])
    sections["train"]["schedule"]["epochs"] = "atuo"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(sections, schema)
