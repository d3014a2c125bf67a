"""CLUB after an epoch: repeatable, and without effect on training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.trainers import BOTTLENECK, MakeTrainer, assert_same_state
from tiprdc.datasets.schema import Records, Schema, read_split
from tiprdc.training import checkpoint
from tiprdc.training.diagnostics import diagnose
from tiprdc.training.objective_config import ObjectiveConfig

MakeShards = Callable[..., Schema]


@pytest.mark.parametrize("leace", [False, True])
def test_diagnosis_is_repeatable_and_leaves_training_unchanged(
    planted: tuple[Schema, Records], make_trainer: MakeTrainer, leace: bool
) -> None:
    _, records = planted
    plain, diagnosed = make_trainer(leace=leace, epochs=2), make_trainer(leace=leace, epochs=2)
    figures = []
    for _ in range(2):
        plain.train_epoch(records)
        diagnosed.train_epoch(records)
        figures.append(diagnose(diagnosed, records))
        assert diagnose(diagnosed, records) == figures[-1]
    assert_same_state(diagnosed, plain)
    assert list(figures[0]) == ["club_secret"]
    assert figures[0] != figures[1]


def test_diagnosis_of_random_features_follows_from_seed_and_epoch(
    tmp_path: Path, planted: tuple[Schema, Records], make_trainer: MakeTrainer
) -> None:
    uninterrupted = make_trainer(objective=BOTTLENECK)
    for _ in range(2):
        uninterrupted.train_epoch(planted[1])
        figures = diagnose(uninterrupted, planted[1])
        if uninterrupted.epoch == 1:
            checkpoint.save(uninterrupted, tmp_path)
    resumed = make_trainer(objective=BOTTLENECK)
    checkpoint.load(resumed, tmp_path)
    resumed.train_epoch(planted[1])
    assert diagnose(resumed, planted[1]) == figures


def test_diagnosis_reads_one_sample_and_detects_a_leak(
    tmp_path: Path, make_shards: MakeShards, make_trainer: MakeTrainer
) -> None:
    schema = make_shards(tmp_path, "image", people=2000)
    records = read_split(tmp_path, schema, "extractor-train")
    sizes: list[int] = []

    class CountedBatches:
        def __len__(self) -> int:
            return len(records)

        def batches(self, rows: Iterable[np.ndarray]) -> Iterator[Records]:
            for chunk in rows:
                sizes.append(len(np.unique(chunk)))
                yield records.take(chunk)

    trainer = make_trainer(objective=ObjectiveConfig(privacy_weight=0.0))
    assert diagnose(trainer, CountedBatches())["club_secret"] > 0.3
    assert sizes == [1536]
    shuffled = records.labels["secret"][np.random.default_rng(0).permutation(len(records))]
    independent = replace(records, labels={"secret": shuffled})
    assert abs(diagnose(trainer, independent)["club_secret"]) < 0.05
