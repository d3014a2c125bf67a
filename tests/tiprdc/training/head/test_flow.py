"""The flow: it hides what a transport leaves, of strangers too, keeps a task, and resumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pytest
import torch
from msgspec import structs
from sklearn.neural_network import MLPClassifier
from torch import Tensor

from tests.helpers import shards
from tests.helpers.trainers import finish, resume, without_records
from tiprdc.datasets.schema import Records, Schema, read_split
from tiprdc.errors import ConfigError
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.training.head import flow_phase
from tiprdc.training.head.config import HeadConfig
from tiprdc.training.head.flow_phase import FlowPhase, check_flow, few_for_flow
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Trainer

UNPROTECTED = ObjectiveConfig(privacy_weight=0.0, kernel_adversary=0.0, memory=0)
PEOPLE, WIDTH, NOISE = 3000, 4, 0.2
IMAGE = InputSpec(modality="image", shape=(3, 16, 16))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Schema, Records]:
    folder = tmp_path_factory.mktemp("parts")
    schema = shards.make_shards(folder, "table", people=PEOPLE)
    return schema, read_split(folder, schema, "extractor-train")


def make(
    schema: Schema, *, flow: int = 3, head: int = 0, codes: int = 0,
    private: Mapping[str, int] = MappingProxyType({"secret": 2}),
) -> Trainer:  # fmt: skip
    """Principal components, a flow, and a head and codes if told so."""
    extractor = ExtractorConfig(
        family="pca", width=8, features=WIDTH, flow=flow, head=head, release_noise=NOISE,
        codes=codes,
    )  # fmt: skip
    return Trainer(
        UNPROTECTED, extractor,
        ScheduleConfig(epochs=1, batch=60, warm_up=0.0, extractor_rate=5e-3, critic_rate=5e-3),
        InputSpec.of(schema), private, seed=0, head=HeadConfig(epochs=1, batch=128),
    )  # fmt: skip


class Planted(NamedTuple):
    """Features whose mean and covariance tell nothing: the sign of a product is the secret."""

    z0: Tensor
    secret: Tensor
    task: Tensor


def planted(people: int, seed: int) -> Planted:
    draw = torch.Generator().manual_seed(seed)
    z0 = torch.randn(people, WIDTH, generator=draw)
    secret = torch.randint(2, (people,), generator=draw)
    z0[:, 2] = (z0[:, 0] * z0[:, 1]).sign() * z0[:, 2].abs() * (2 * secret - 1)
    return Planted(z0, secret, (z0[:, 3] > 0).long())


def read(z: Tensor, labels: Tensor) -> float:
    """Accuracy of a perceptron that half of these people teach, on the others."""
    half = len(z) // 2
    noisy = (z + NOISE * torch.randn(z.shape, generator=torch.Generator().manual_seed(9))).numpy()
    model = MLPClassifier((64, 64), max_iter=60, random_state=0)
    model.fit(noisy[:half], labels[:half].numpy())
    return float(model.score(noisy[half:], labels[half:].numpy()))


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_strangers_lose_the_secret_and_keep_a_task(
    parts: tuple[Schema, Records], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_phase, "STEPS", 300)
    people, strangers = planted(PEOPLE, 0), planted(3000, 1)
    trainer = moved(parts, people.z0, people.secret[:, None], {"secret": 2})
    extractor = trainer.game.extractor.eval()
    assert isinstance(extractor, Extractor)
    with torch.no_grad():
        z = extractor.behind_trunk(strangers.z0)
    assert read(strangers.z0, strangers.secret) > 0.75
    assert read(z, strangers.secret) < 0.65
    assert read(z, strangers.task) > 0.75
    assert trainer.history[-1]["kept"] > 0.3


@pytest.mark.parametrize("stop", [1, 2, 3, 4], ids=["trunk", "round 1", "round 2", "head"])
def test_resumed_training_equals_an_uninterrupted_one(
    parts: tuple[Schema, Records], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    monkeypatch.setattr(flow_phase, "STEPS", 5)
    schema, records = parts
    new = partial(make, schema, flow=2, head=16)
    expected = finish(new(), records).game.state_dict()
    resumed = resume(new, records, stop, tmp_path / "stopped")
    for name, value in resumed.game.state_dict().items():
        torch.testing.assert_close(value, expected[name], msg=name)


def test_unprotected_extractor_has_no_flow() -> None:
    assert ExtractorConfig(family="pca", flow=4).unprotected().flow == 0


def test_few_records_are_refused(parts: tuple[Schema, Records]) -> None:
    config = ExtractorConfig(family="pca", features=6, flow=1)
    with pytest.raises(ConfigError, match="at least 300 records"):
        check_flow(config, IMAGE, 299)
    check_flow(config, IMAGE, 300)
    check_flow(structs.replace(config, flow=0), IMAGE, 1)
    trainer = make(parts[0])
    trainer.skip_trunk(
        without_records(torch.zeros(20, WIDTH), torch.zeros(20, 1, dtype=torch.int64), parts[0])
    )
    few = replace(parts[1], x=parts[1].x[:20], person=parts[1].person[:20])
    with pytest.raises(ConfigError, match="at least 200 records"):
        trainer.train_epoch(few)


def test_few_people_are_a_warning() -> None:
    config = ExtractorConfig(family="pca", features=6, flow=1)
    assert "24,000 records are few for a flow" in (few_for_flow(config, 24_000) or "")
    assert few_for_flow(config, flow_phase.MANY) is None
    assert few_for_flow(structs.replace(config, flow=0), 24_000) is None


def test_a_flow_behind_a_network_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"set train\.extractor\.family: pca, or train"):
        check_flow(ExtractorConfig(flow=2), IMAGE, 10**6)
    with pytest.raises(ConfigError, match=r"flow: 0, or name an encoder"):
        check_flow(ExtractorConfig(flow=2), InputSpec(modality="text", shape=(12,)), 10**6)
    with pytest.raises(ConfigError, match=r"train\.extractor\.flow"):
        Extractor(ExtractorConfig(flow=2), IMAGE, [2])


def test_a_flow_with_a_clip_is_refused() -> None:
    with pytest.raises(ConfigError, match="with a clip of 2"):
        check_flow(ExtractorConfig(family="pca", flow=2, clip=2.0), IMAGE, 10**6)


def moved(
    parts: tuple[Schema, Records],
    z0: Tensor,
    known: Tensor,
    private: Mapping[str, int],
    codes: int = 0,
) -> Trainer:
    """Trained on these features and labels, its trunk left out."""
    trainer = make(parts[0], private=private, codes=codes)
    trainer.skip_trunk(without_records(z0, known, parts[0]))
    return finish(trainer, parts[1])


def test_labels_that_nobody_can_read_move_nobody(
    parts: tuple[Schema, Records], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_phase, "STEPS", 300)
    draw = torch.Generator().manual_seed(5)
    z0 = torch.randn(PEOPLE, WIDTH, generator=draw)
    labels = torch.randint(2, (PEOPLE, 1), generator=draw)
    assert moved(parts, z0, labels, {"secret": 2}).history[-1]["kept"] > 0.9


def test_an_attribute_that_is_given_twice_counts_once(
    parts: tuple[Schema, Records], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_phase, "STEPS", 100)
    people = planted(PEOPLE, 0)
    once = moved(parts, people.z0, people.secret[:, None], {"secret": 2})
    twice = moved(
        parts, people.z0, people.secret[:, None].expand(-1, 2), {"secret": 2, "again": 2}
    )  # fmt: skip
    left = [trainer.history[-1]["kept"] for trainer in (once, twice)]
    assert left[0] < 0.999
    assert left[1] == pytest.approx(left[0], abs=0.02)


def test_several_attributes_with_codes(
    parts: tuple[Schema, Records], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_phase, "STEPS", 5)
    kinds = torch.from_numpy(parts[1].labels["secret"])[:, None].expand(-1, 2).clone()
    kinds[::3, 1] = 2
    z0 = planted(PEOPLE, 0).z0
    trainer = moved(parts, z0, kinds, {"secret": 2, "kind": 3}, codes=16)
    extractor = trainer.game.extractor.eval()
    assert isinstance(extractor, Extractor)
    with torch.no_grad():
        z = extractor.release(extractor.behind_trunk(z0))
    assert len(z.unique(dim=0)) <= 16


def test_copies_of_a_record_are_on_one_side() -> None:
    learns, held_out = flow_phase._divide(100, 300, 0)
    assert len(held_out) == 15
    assert not set((learns // 3).tolist()) & set((held_out // 3).tolist())
    assert sorted([*learns.tolist(), *held_out.tolist()]) == list(np.arange(300))


def test_phases_follow_each_other(parts: tuple[Schema, Records]) -> None:
    trainer = make(parts[0], flow=2, head=16)
    assert trainer.epochs == 4
    assert isinstance(trainer.begin_phase(2), FlowPhase)
    assert not isinstance(trainer.begin_phase(3), FlowPhase)
