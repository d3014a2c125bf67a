"""What `auto` stands for follows from the records, and only where the file leaves it open."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.defaults import training, tuning
from pipelines.params import load
from pipelines.search.space import TuneConfig
from pipelines.training.run import TrainConfig
from tiprdc.datasets.schema import Modality, Schema
from tiprdc.errors import ConfigError
from tiprdc.training.objective_config import ObjectiveConfig

ROOT = Path(__file__).parents[2]
MakeShards = Callable[..., Schema]


@pytest.fixture
def schema(tmp_path: Path, make_shards: MakeShards) -> Callable[[Modality, int], Schema]:
    def _schema(modality: Modality, records: int) -> Schema:
        made = make_shards(tmp_path / modality, modality, people=40)
        return replace(made, records={**made.records, "extractor-train": records})

    return _schema


def test_pictures_are_the_defaults_of_the_code(
    schema: Callable[[Modality, int], Schema],
) -> None:
    made, params = schema("image", 14_400), ROOT / "params.yaml"
    # `decoding` is none of a game in general: texts cannot have it.
    default = TrainConfig(objective=ObjectiveConfig(adversary_decoder=True))
    assert load("train", TrainConfig, params, auto=training(made)) == default
    assert load("tune", TuneConfig, params, auto=tuning(made)) == TuneConfig()


def test_few_pictures_are_hidden_by_what_is_believed_of_them(
    schema: Callable[[Modality, int], Schema],
) -> None:
    params = ROOT / "params.yaml"
    few = load("train", TrainConfig, params, auto=training(schema("image", 9_999)))
    many = load("train", TrainConfig, params, auto=training(schema("image", 10_000)))
    assert (few.objective.cross_fit, few.objective.adversary_decoder, few.schedule.epochs) == (
        True,
        False,
        24,
    )
    assert (many.objective.cross_fit, many.objective.adversary_decoder, many.schedule.epochs) == (
        False,
        True,
        8,
    )


@pytest.mark.parametrize(
    ("modality", "records"), [("image", 9_999), ("image", 10_000), ("text", 7000)]
)
def test_what_the_kernel_adversary_would_do_is_left_out_without_it(
    schema: Callable[[Modality, int], Schema], tmp_path: Path, modality: Modality, records: int
) -> None:
    text = (ROOT / "params.yaml").read_text()
    text = re.sub(
        r"^    kernel_adversary: .*$", "    kernel_adversary: 0", text, flags=re.MULTILINE
    )
    text = re.sub(r"^    bottleneck: .*$", "    bottleneck: 0.3", text, flags=re.MULTILINE)
    (tmp_path / "params.yaml").write_text(text)
    auto = training(schema(modality, records))
    game = load("train", TrainConfig, tmp_path / "params.yaml", auto=auto).objective
    assert (game.kernel_adversary, game.cross_fit, game.adversary_decoder) == (0, False, False)


@pytest.mark.parametrize(
    ("records", "batch"), [(100, 128), (3000, 256), (23_000, 2048), (10**9, 2048)]
)
def test_a_table_is_learnt_in_batches_as_large_as_its_records_allow(
    schema: Callable[[Modality, int], Schema], records: int, batch: int
) -> None:
    auto = training(schema("table", records))
    config = load("train", TrainConfig, ROOT / "params.yaml", auto=auto)
    assert config.schedule.batch == batch
    assert (config.extractor.features, config.objective.memory, config.schedule.epochs) == (
        16,
        0,
        30,
    )
    assert config.extractor.release_noise == 0.15


def test_texts_are_hidden_by_what_is_believed_of_them(
    schema: Callable[[Modality, int], Schema],
) -> None:
    config = load("train", TrainConfig, ROOT / "params.yaml", auto=training(schema("text", 7000)))
    assert config.objective.cross_fit
    assert (config.objective.bottleneck, config.objective.memory, config.schedule.batch) == (
        0.0,
        0,
        512,
    )
    assert config.schedule.extractor_rate == config.schedule.critic_rate == 3e-3


def test_what_the_file_says_holds_and_what_it_does_not_name_is_left_to_the_data(
    tmp_path: Path, schema: Callable[[Modality, int], Schema]
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("train: {seed: 3, schedule: {epochs: 2, batch: auto}}\n")
    config = load("train", TrainConfig, path, auto=training(schema("table", 23_000)))
    assert (config.seed, config.schedule.epochs, config.schedule.batch) == (3, 2, 2048)
    assert config.objective.memory == 0


def test_another_word_than_auto_is_refused_with_what_is_allowed(
    tmp_path: Path, schema: Callable[[Modality, int], Schema]
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("train: {schedule: {epochs: atuo}}\n")
    with pytest.raises(ConfigError, match=r"train.schedule.epochs: atuo\n.*or auto\n.*'auto'"):
        load("train", TrainConfig, path, auto=training(schema("table", 23_000)))
