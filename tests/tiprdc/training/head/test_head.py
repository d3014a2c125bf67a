"""The head: starts as the identity, hides what the trunk leaves, resumes where it was."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import PolynomialFeatures
from torch import Tensor

from tests.helpers import shards
from tests.helpers.trainers import assert_same_state, finish, resume, without_records
from tiprdc.datasets.schema import SPLITS, Records, Schema, read_split
from tiprdc.errors import ConfigError, ModelError
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.layers.head import Head
from tiprdc.models.views import VIEWS, views
from tiprdc.training import checkpoint
from tiprdc.training.config import TrainConfig
from tiprdc.training.head import phase as head_phase
from tiprdc.training.head import trunk_features as feature_module
from tiprdc.training.head.config import HeadConfig
from tiprdc.training.head.trunk_features import trunk_features
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Step, Trainer

Parts = tuple[Schema, dict[str, Records]]
UNPROTECTED = ObjectiveConfig(privacy_weight=0.0, kernel_adversary=0.0, memory=0)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    folder = tmp_path_factory.mktemp("parts")
    schema = shards.make_shards(folder, "table", people=600)
    return schema, {split: read_split(folder, schema, split) for split in SPLITS}


def make(
    schema: Schema, *, weight: float = 5.0, epochs: int = 6, trunk: int = 4, noise: float = 0.3,
    told: Mapping[str, int] = MappingProxyType({}),
) -> Trainer:  # fmt: skip
    """A trunk without adversary, so that the head alone hides."""
    return Trainer(
        UNPROTECTED,
        ExtractorConfig(width=8, features=6, head=64, release_noise=noise),
        ScheduleConfig(epochs=trunk, batch=60, warm_up=0.0, extractor_rate=5e-3, critic_rate=5e-3),
        InputSpec.of(schema), {"secret": 2}, seed=0,
        head=HeadConfig(epochs=epochs, batch=128, weight=weight, told_weight=3.0), told=told,
    )  # fmt: skip


class Planted(NamedTuple):
    """Trunk's features of 1,600 people: the secret moves column 0 and flips a product of two."""

    z0: Tensor
    secret: Tensor
    task: Tensor


@pytest.fixture(scope="module")
def planted() -> Planted:
    generator = torch.Generator().manual_seed(0)
    secret = torch.arange(1600) % 2
    z0 = torch.randn(1600, 6, generator=generator)
    z0[:, 0] += 1.5 * secret
    z0[:, 1] = z0[:, 2].abs() * z0[:, 1].abs() * z0[:, 2].sign() * (2 * secret - 1)
    z0 = (z0 - z0.mean(0)) / z0.std(0)
    return Planted(z0, secret, (z0[:, 3] > 0).long())


def hide(
    parts: Parts, planted: Planted, weight: float, noise: float = 0.3,
    *, epochs: int = 3, told: bool = False,
) -> dict[str, float]:  # fmt: skip
    """Train the head on the first half of the people; accuracies on the second half.

    The attack is logistic regression on all products of two features, fitted on a quarter.
    """
    schema, records = parts
    tasks = {"task": 2} if told else {}
    trainer = make(schema, weight=weight, epochs=epochs, noise=noise, told=tasks)
    known = torch.stack([planted.secret, planted.task], 1)[:800, : 1 + told]
    trainer.skip_trunk(without_records(planted.z0[:800], known, schema))
    phase = trainer.begin_head()
    for epoch in range(trainer.head_config.epochs):
        assert len(list(phase.steps(records["extractor-train"], epoch))) == head_phase.STEPS
    torch.manual_seed(1)
    with torch.no_grad():
        z = phase.networks.head.eval()(planted.z0[800:])
        products = PolynomialFeatures(2).fit_transform(z + noise * torch.randn_like(z))
    fit, test = products[:400], products[400:]
    truths = {"secret": planted.secret[800:].numpy(), "task": planted.task[800:].numpy()}
    return {
        name: LogisticRegression(max_iter=1000).fit(fit, y[:400]).score(test, y[400:])
        for name, y in truths.items()
    }


def test_head_starts_as_the_identity() -> None:
    head = Head(6, 16)
    z0 = torch.randn(64, 6)
    torch.testing.assert_close(head.eval()(z0), z0)
    z = head.train()(5 * z0 + 1).detach()
    assert float(z.square().mean()) == pytest.approx(1, rel=1e-5)
    for _ in range(200):
        head(5 * z0 + 1)
    torch.testing.assert_close(head.eval()(5 * z0 + 1), z, rtol=1e-3, atol=1e-3)


def test_head_hides_the_secret_and_keeps_the_rest(parts: Parts, planted: Planted) -> None:
    kept, hidden = (hide(parts, planted, weight) for weight in (0.0, 5.0))
    assert kept["secret"] > 0.85
    assert hidden["secret"] < 0.6
    assert min(kept["task"], hidden["task"]) > 0.8


def test_head_keeps_more_of_a_told_task_under_noise(parts: Parts, planted: Planted) -> None:
    unseen, told = (
        hide(parts, planted, 0.0, noise=1.5, epochs=1, told=known) for known in (False, True)
    )
    assert told["task"] > unseen["task"] + 0.04


def test_no_task_is_told_unless_asked(parts: Parts) -> None:
    schema, _ = parts
    assert TrainConfig().told_tasks("protected", schema) == {}
    config = TrainConfig(told=("task",), extractor=ExtractorConfig(head=64))
    assert config.told_tasks("protected", schema) == {"task": 2}
    assert config.told_tasks("unprotected", schema) == {}
    assert make(schema).begin_head().networks.task_classifier is None


@pytest.mark.parametrize(
    ("told", "head", "message"),
    [
        (("secret",), 64, r"secret is private(.|\n)*remove secret from train.told"),
        (("age",), 64, r"age is no utility attribute(.|\n)*one of task"),
        (("task", "task"), 64, "each task once"),
        (("task",), 0, r"where there is no head(.|\n)*train.extractor.head: 512"),
    ],
)
def test_task_that_cannot_be_told_is_refused(
    parts: Parts, told: tuple[str, ...], head: int, message: str
) -> None:
    def told_tasks() -> None:
        config = TrainConfig(told=told, extractor=ExtractorConfig(head=head))
        config.told_tasks("protected", parts[0])

    with pytest.raises(ConfigError, match=message):
        told_tasks()


def test_checkpoint_names_told_tasks(parts: Parts, tmp_path: Path) -> None:
    checkpoint.save(make(parts[0], told={"task": 2}), tmp_path)
    assert checkpoint.told_tasks(tmp_path) == ("task",)
    with pytest.raises(ModelError, match="another told"):
        checkpoint.load(make(parts[0]), tmp_path)


def test_unprotected_extractor_has_no_head() -> None:
    assert ExtractorConfig(head=64).unprotected().head == 0


def test_trunk_does_not_change_while_the_head_learns(parts: Parts) -> None:
    schema, records = parts
    trainer = make(schema, epochs=1, trunk=1)
    trainer.train_epoch(records["extractor-train"])
    before = {name: value.clone() for name, value in trainer.game.state_dict().items()}
    steps: list[Step] = []
    trainer.train_epoch(records["extractor-train"], steps.append)
    changed = {
        name for name, value in trainer.game.state_dict().items()
        if not torch.equal(value, before[name])
    }  # fmt: skip
    assert changed
    assert all(name.startswith(("extractor.head.", "extractor.transport.")) for name in changed)
    assert [steps[0].epoch, steps[-1].epoch] == [pytest.approx(1.01), pytest.approx(2.0)]
    assert steps[0].losses._fields == ("total", "kept", "adversary", "confidence", "told")


@pytest.mark.parametrize("stop", [1, 2, 3], ids=["in the trunk", "between both", "in the head"])
def test_resumed_training_equals_an_uninterrupted_one(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    monkeypatch.setattr(head_phase, "STEPS", 5)
    schema, records = parts
    train = records["extractor-train"]
    new = partial(make, schema, epochs=2, trunk=2)
    whole = finish(new(), train)
    second = resume(new, train, stop, tmp_path / "stopped")
    assert_same_state(second, whole)
    assert second.phase
    assert whole.phase
    expected = whole.phase.state_dict()
    for name, value in second.phase.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_checkpoint_gives_the_extractor_with_its_head(parts: Parts, tmp_path: Path) -> None:
    schema, records = parts
    trainer = make(schema, epochs=1, trunk=1)
    finish(trainer, records["extractor-train"])
    checkpoint.save(trainer, tmp_path / "checkpoint")
    extractor = checkpoint.load_extractor(tmp_path / "checkpoint")
    x = torch.from_numpy(records["attacker-test"].x)
    trainer.game.eval()
    original = trainer.game.extractor
    assert isinstance(original, Extractor)
    np.testing.assert_allclose(
        extractor.features_before_release(x).detach(), original.features_before_release(x).detach(),
        rtol=1e-4, atol=1e-5,
    )  # fmt: skip


def test_bottleneck_with_a_head_is_refused() -> None:
    objective = ObjectiveConfig(bottleneck=0.1, kernel_adversary=0.0, memory=0)
    with pytest.raises(ConfigError, match=r"train.extractor.head: 64 with a bottleneck"):
        objective.check_extractor(ExtractorConfig(head=64))


def test_head_is_trained_on_copies_of_pictures(tmp_path: Path) -> None:
    schema = shards.make_shards(tmp_path, "image", people=40)
    records = read_split(tmp_path, schema, "extractor-train")
    trainer = make(schema)
    phase = trainer.begin_head()
    u = phase.cache.moved(records).known
    z0, _, coarse = trunk_features(trainer.game, records, 0, torch.device("cpu"), trainer.group)
    extractor = trainer.game.extractor
    assert isinstance(extractor, Extractor)
    originals = extractor.whitened(torch.from_numpy(records.x)).detach()
    assert z0.shape == (40 * (1 + VIEWS), 6)
    torch.testing.assert_close(z0[:: 1 + VIEWS], originals)
    mirrored = extractor.whitened(torch.from_numpy(records.x[..., ::-1].copy())).detach()
    torch.testing.assert_close(z0[1 :: 1 + VIEWS], mirrored)
    assert coarse.shape == (len(z0), phase.cache.numbers)
    assert u[:, 0].tolist() == np.repeat(records.labels["secret"], 1 + VIEWS).tolist()


def test_so_many_pictures_are_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_module, "MANY_RECORDS", 39)
    schema = shards.make_shards(tmp_path, "image", people=40)
    records = read_split(tmp_path, schema, "extractor-train")
    trainer = make(schema)
    z0, known, _ = trunk_features(trainer.game, records, 0, torch.device("cpu"), trainer.group)
    assert z0.shape == (40, 6)
    assert known.shape == (40, 1)


def test_copies_of_a_part_are_those_of_the_whole() -> None:
    x = np.random.default_rng(0).integers(256, size=(9, 3, 16, 16)).astype(np.uint8)
    whole, part = views(x, 3), views(x[5:], 3, first=5)
    for expected, copies in zip(whole, part, strict=True):
        np.testing.assert_array_equal(copies, expected[5:])
