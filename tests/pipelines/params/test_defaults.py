"""`auto` takes its value from the records, and only where the file does not set one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.params.defaults import tuning
from pipelines.params.load import load
from pipelines.search.space import TuneConfig
from tiprdc.datasets.schema import Column, Modality, Schema
from tiprdc.errors import ConfigError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.trunks.trunk import resolve
from tiprdc.training.config import TrainConfig
from tiprdc.training.defaults import training
from tiprdc.training.head.config import LEAST_RECORDS
from tiprdc.training.objective_config import ObjectiveConfig

ROOT = Path(__file__).parents[3]
MakeShards = Callable[..., Schema]


@pytest.fixture
def schema(tmp_path: Path, make_shards: MakeShards) -> Callable[[Modality, int], Schema]:
    def _schema(modality: Modality, records: int) -> Schema:
        made = make_shards(tmp_path / modality, modality, people=40)
        return replace(made, records={**made.records, "extractor-train": records})

    return _schema


def test_many_pictures_give_the_defaults_of_the_code(
    schema: Callable[[Modality, int], Schema],
) -> None:
    made, params = schema("image", 14_400), ROOT / "params.yaml"
    # What texts and tables do not have is off in the code.
    default = TrainConfig(
        extractor=ExtractorConfig(features=64, head=512, release_noise=0.4),
        objective=ObjectiveConfig(adversary_decoder=True, budget=0.1),
    )
    assert load("train", TrainConfig, params, auto=training(made)) == default
    # Where there is a head, the search varies it over one trunk.
    search = load("tune", TuneConfig, params, auto=tuning(made, default))
    assert search.searched() == ("weight", "release_noise")
    headless = TrainConfig(objective=default.objective)
    assert load("tune", TuneConfig, params, auto=tuning(made, headless)) == TuneConfig()


def test_a_head_for_many_pictures_is_wide_and_trained_long(
    schema: Callable[[Modality, int], Schema],
) -> None:
    few = load("train", TrainConfig, ROOT / "params.yaml", auto=training(schema("image", 99_999)))
    many = load("train", TrainConfig, ROOT / "params.yaml", auto=training(schema("image", 100_000)))
    assert (few.extractor.features, few.head.epochs) == (64, 10)
    assert (many.extractor.features, many.head.epochs) == (192, 60)


def test_few_pictures_are_cross_fitted_and_many_decoded(
    schema: Callable[[Modality, int], Schema], tmp_path: Path
) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("train: {extractor: {family: cnn}}\n")
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
def test_without_kernel_adversary_cross_fit_and_decoder_are_off(
    schema: Callable[[Modality, int], Schema], tmp_path: Path, modality: Modality, records: int
) -> None:
    text = (ROOT / "params.yaml").read_text()
    text = re.sub(
        r"^    kernel_adversary: .*$", "    kernel_adversary: 0", text, flags=re.MULTILINE
    )
    text = re.sub(r"^    bottleneck: .*$", "    bottleneck: 0.3", text, flags=re.MULTILINE)
    (tmp_path / "params.yaml").write_text(text)
    auto = training(schema(modality, records))
    config = load("train", TrainConfig, tmp_path / "params.yaml", auto=auto).objective
    assert (config.kernel_adversary, config.cross_fit, config.adversary_decoder) == (
        0,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("setting", "features"), [("extractor: {head: 0}", 24), ("objective: {bottleneck: 0.3}", 64)]
)
def test_pictures_without_a_head_have_no_noise_and_a_lower_budget(
    schema: Callable[[Modality, int], Schema], tmp_path: Path, setting: str, features: int
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"train: {{{setting}}}\n")
    config = load("train", TrainConfig, path, auto=training(schema("image", 20_000)))
    extractor = config.extractor
    assert (extractor.features, extractor.head, extractor.release_noise) == (features, 0, 0.0)
    assert config.objective.budget == 0.06


@pytest.mark.parametrize(
    ("records", "batch"), [(100, 128), (3000, 256), (23_000, 2048), (10**9, 2048)]
)
def test_batch_of_a_table_grows_with_its_records(
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
    assert config.extractor.release_noise == 0.3


def test_texts_are_cross_fitted(
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


def test_values_of_the_file_hold_and_others_follow_from_the_records(
    tmp_path: Path, schema: Callable[[Modality, int], Schema]
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("train: {seed: 3, schedule: {epochs: 2, batch: auto}}\n")
    config = load("train", TrainConfig, path, auto=training(schema("table", 23_000)))
    assert (config.seed, config.schedule.epochs, config.schedule.batch) == (3, 2, 2048)
    assert config.objective.memory == 0


def test_another_word_than_auto_is_refused(
    tmp_path: Path, schema: Callable[[Modality, int], Schema]
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("train: {schedule: {epochs: atuo}}\n")
    with pytest.raises(ConfigError, match=r"train.schedule.epochs: atuo\n.*or auto\n.*'auto'"):
        load("train", TrainConfig, path, auto=training(schema("table", 23_000)))


def test_vectors_are_tables_with_components_and_a_head(
    schema: Callable[[Modality, int], Schema], tmp_path: Path
) -> None:
    columns = tuple(Column(name=f"emb[{number}]") for number in range(384))
    vectors = replace(schema("table", 6000), columns=columns)
    auto = training(vectors)
    config = load("train", TrainConfig, ROOT / "params.yaml", auto=auto)
    assert (config.extractor.features, config.extractor.head, config.schedule.epochs) == (
        64, 512, 1,
    )  # fmt: skip
    assert config.head.weight == 0.3
    text = (ROOT / "params.yaml").read_text().replace("    family: auto", "    family: mlp")
    (tmp_path / "params.yaml").write_text(text)
    config = load("train", TrainConfig, tmp_path / "params.yaml", auto=auto)
    assert (config.extractor.features, config.extractor.head, config.schedule.epochs) == (
        16, 0, 30,
    )  # fmt: skip
    assert config.head.weight == 4.0


def test_with_an_encoder_pictures_have_the_settings_of_vectors(
    schema: Callable[[Modality, int], Schema], tmp_path: Path
) -> None:
    text = (ROOT / "params.yaml").read_text()
    text = re.sub(r"(\n  encoder:\n(?:    #.*\n)*    path:)", r"\1 e.onnx", text)
    (tmp_path / "params.yaml").write_text(text)
    for records in (6_000, 60_000):
        auto = training(schema("image", records))
        config = load("train", TrainConfig, tmp_path / "params.yaml", auto=auto)
        assert config.encoder.path == "e.onnx"
        assert (config.extractor.features, config.schedule.epochs) == (64, 1)


@pytest.mark.parametrize(
    ("records", "features"), [(9999, 128), (5200, 104), (3200, 64), (300, 64)]
)  # fmt: skip
def test_few_pictures_have_as_many_components_as_a_transport_allows(
    schema: Callable[[Modality, int], Schema], records: int, features: int
) -> None:
    auto = training(schema("image", records))
    config = load("train", TrainConfig, ROOT / "params.yaml", auto=auto)
    assert (config.extractor.family, config.extractor.features) == ("pca", features)
    assert (config.extractor.head, config.extractor.release_noise) == (512, 0.2)
    assert (config.head.weight, config.schedule.epochs) == (0.05, 1)


def test_a_search_is_around_the_weight_and_has_people_for_the_transport(
    schema: Callable[[Modality, int], Schema],
) -> None:
    made, params = schema("image", 9000), ROOT / "params.yaml"
    train = load("train", TrainConfig, params, auto=training(made))
    search = load("tune", TuneConfig, params, auto=tuning(made, train))
    assert search.weight == pytest.approx((0.05 / 8, 0.2))
    assert search.people == LEAST_RECORDS * train.extractor.features == 6400


@pytest.mark.parametrize(
    "setting", ["extractor: {head: 0}", "objective: {bottleneck: 0.3}", "extractor: {family: cnn}"]
)
def test_few_pictures_have_a_network_without_a_head_or_if_it_is_named(
    schema: Callable[[Modality, int], Schema], tmp_path: Path, setting: str
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"train: {{{setting}}}\n")
    config = load("train", TrainConfig, path, auto=training(schema("image", 5000)))
    assert resolve(config.extractor.family, InputSpec(modality="image", shape=(3, 32, 32))) == "cnn"
    assert (config.extractor.features, config.extractor.head) == (24, 0)
    assert (config.schedule.epochs, config.objective.cross_fit) == (24, True)


def test_a_family_that_does_not_exist_is_refused(
    schema: Callable[[Modality, int], Schema], tmp_path: Path
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("train: {extractor: {family: cmm}}\n")
    with pytest.raises(ConfigError, match=r"train.extractor.family: cmm"):
        load("train", TrainConfig, path, auto=training(schema("image", 5000)))
