"""Out-of-fold predictions use what other people show, and nothing of the person alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.helpers.shards import make_shards
from tiprdc.attacks.cross_fitting import cross_fit
from tiprdc.datasets.schema import Records, read_split
from tiprdc.errors import ConfigError, DataError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.training import checkpoint
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.out_of_fold import no_cross_fit, predict_out_of_fold
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Trainer


def _texts(u: NDArray[np.int64], informative: NDArray[np.bool_]) -> Records:
    """Two texts a person: a word of their own, and for some a word that shows the class."""
    people = np.arange(len(u))
    own = 100 + people
    word = np.where(informative, 1 + u, 3)
    x = np.repeat(np.stack([own, own, word], axis=1), 2, axis=0).astype(np.int32)
    return Records(x, {"secret": np.repeat(u, 2)}, np.repeat(people, 2).astype(str))


def test_predictions_follow_shared_words_and_ignore_words_of_one_person() -> None:
    rng = np.random.default_rng(0)
    u = rng.integers(0, 2, 200)
    informative = np.arange(200) % 2 == 0
    predictions = cross_fit(_texts(u, informative), "secret", 2, seed=0)
    of_truth = predictions.of[np.arange(400), np.repeat(u, 2)]
    each = np.repeat(informative, 2)
    assert predictions.of.sum(1) == pytest.approx(1.0)
    assert of_truth[each].min() > 0.7
    # A fit on the person's other text would use their own word to predict the class.
    assert abs(of_truth[~each].mean() - 0.5) < 0.05
    assert 0.4 < predictions.explained < 0.7


def test_cross_fit_is_deterministic() -> None:
    records = _texts(np.arange(40) % 2, np.ones(40, bool))
    first, again = (cross_fit(records, "secret", 2, seed=1) for _ in range(2))
    assert np.array_equal(first.of, again.of)


def test_explained_is_zero_without_a_signal() -> None:
    u = np.random.default_rng(1).integers(0, 2, 300)
    assert cross_fit(_texts(u, np.zeros(300, bool)), "secret", 2, seed=0).explained < 0.02


def test_fewer_people_than_folds_are_refused() -> None:
    records = _texts(np.arange(7) % 2, np.ones(7, bool))
    with pytest.raises(DataError, match="7 people") as raised:
        cross_fit(records, "secret", 2, seed=0)
    assert "cross_fit to false" in raised.value.hint


def test_cross_fit_requires_the_kernel_adversary() -> None:
    with pytest.raises(ConfigError, match=r"train.objective.cross_fit"):
        ObjectiveConfig(cross_fit=True, kernel_adversary=0.0, adversaries=1)


def test_unprotected_objective_has_no_cross_fit() -> None:
    assert not ObjectiveConfig(cross_fit=True).unprotected().cross_fit


@pytest.mark.parametrize("modality", ["text", "table"])
def test_training_on_predictions_resumes_bit_for_bit(tmp_path: Path, modality: str) -> None:
    schema = make_shards(tmp_path / "shards", modality)
    records = read_split(tmp_path / "shards", schema, "extractor-train")

    def make() -> Trainer:
        return Trainer(
            ObjectiveConfig(cross_fit=True, memory=32),
            ExtractorConfig(width=8, features=4),
            ScheduleConfig(epochs=3, batch=16, warm_up=0.0),
            InputSpec.of(schema), {"secret": 2}, seed=0, cross_fit=cross_fit,
        )  # fmt: skip

    whole = make()
    whole.train_epoch(records)
    assert whole._targets is not None
    rows = {tuple(row) for row in whole._targets.tolist()}
    adversary = whole.game.kernel_adversary
    assert {tuple(row) for row in adversary.memory_targets[:16].tolist()} <= rows
    assert 0 <= adversary.label_r2[0] <= 1
    assert whole.history[0]["explained_variance"] <= 2 * adversary.label_r2[0]
    checkpoint.save(whole, tmp_path / "ck")
    whole.train_epoch(records)

    again = make()
    checkpoint.load(again, tmp_path / "ck")
    again.train_epoch(records)
    for name, tensor in whole.game.state_dict().items():
        assert torch.equal(tensor, again.game.state_dict()[name]), name


class Streamed:
    """Records that come in batches: nobody may ask for all of them at once."""

    def __init__(self, records: Records) -> None:
        self.records, self.most = records, 0

    def __len__(self) -> int:
        return len(self.records)

    def batches(self, rows: Iterable[NDArray[np.intp]]) -> Iterator[Records]:
        for batch in rows:
            self.most = max(self.most, len(batch))
            yield self.records.take(batch)


def test_known_predictions_train_alike_without_all_records_at_once(tmp_path: Path) -> None:
    schema = make_shards(tmp_path / "shards", "table")
    records = read_split(tmp_path / "shards", schema, "extractor-train")
    spec, private = InputSpec.of(schema), {"secret": 2}
    predictions = predict_out_of_fold(records, spec, private, cross_fit, seed=0)
    states = []
    for known in (None, predictions):
        trainer = Trainer(
            ObjectiveConfig(cross_fit=True, memory=32),
            ExtractorConfig(width=8, features=4),
            ScheduleConfig(epochs=2, batch=16, warm_up=0.0),
            spec, private, seed=0, predictions=known,
            cross_fit=no_cross_fit if known else cross_fit,
        )  # fmt: skip
        streamed = Streamed(records)
        trainer.train_epoch(streamed)
        assert (streamed.most == len(records)) == (known is None)
        states.append(trainer.game.state_dict())
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name


def test_trainer_without_a_cross_fit_function_is_refused(tmp_path: Path) -> None:
    schema = make_shards(tmp_path / "shards", "text")
    records = read_split(tmp_path / "shards", schema, "extractor-train")
    trainer = Trainer(
        ObjectiveConfig(cross_fit=True),
        ExtractorConfig(width=8, features=4),
        ScheduleConfig(batch=16),
        InputSpec.of(schema),
        {"secret": 2},
        seed=0,
    )
    with pytest.raises(ValueError, match="the trainer has no cross_fit function"):
        trainer.train_epoch(records)
