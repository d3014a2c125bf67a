"""Every family: shapes and raw inputs; padding and unknown ids have no effect."""

from __future__ import annotations

import pytest
import torch

from tiprdc.datasets.schema import Column
from tiprdc.errors import ConfigError
from tiprdc.models.critic import Critic
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import Columns, InputSpec, Tokens

COLUMNS = (
    Column(name="age", mean=40.0, std=10.0),
    Column(name="work", categories=("a", "b")),
    Column(name="hours", mean=1.0, std=0.0),
)
SPECS = {
    "image": InputSpec(modality="image", shape=(3, 20, 28)),
    "table": InputSpec(modality="table", shape=(3,), columns=COLUMNS),
    "text": InputSpec(modality="text", shape=(7,), vocabulary_size=11),
}


def _records(spec: InputSpec, count: int) -> torch.Tensor:
    torch.manual_seed(0)
    if spec.modality == "image":
        return torch.randint(256, (count, *spec.shape), dtype=torch.uint8)
    if spec.modality == "table":
        return torch.randint(3, (count, *spec.shape)).float()
    return torch.randint(12, (count, *spec.shape), dtype=torch.int32)


@pytest.mark.parametrize("modality", SPECS)
def test_raw_records_become_features(modality: str) -> None:
    spec = SPECS[modality]
    z = Extractor(ExtractorConfig(width=8, features=5), spec)(_records(spec, 6))
    assert z.shape == (6, 5)
    assert z.isfinite().all()


@pytest.mark.parametrize("modality", SPECS)
def test_critic_scores_every_kind_of_record(modality: str) -> None:
    spec = SPECS[modality]
    critic = Critic(ExtractorConfig(width=8, features=5), spec, 2)
    u = torch.eye(2)[torch.randint(2, (6,))]
    score = critic(_records(spec, 6), torch.randn(6, 5), u, negatives=3)
    assert score.shape == ()
    assert score <= 0


def test_family_of_another_modality_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"train.extractor.family: lstm\n  expected: auto, cnn"):
        Extractor(ExtractorConfig(family="lstm"), SPECS["image"])


def test_unknown_category_has_its_own_position_and_constant_column_is_finite() -> None:
    columns = Columns(COLUMNS)
    out = columns(torch.tensor([[50.0, 9.0, 1.0], [30.0, 1.0, 1.0]]))
    assert out.tolist() == [[1, 0, 0, 0, 1], [-1, 0, 0, 1, 0]]


def test_ids_outside_the_vocabulary_are_padding() -> None:
    assert Tokens(5)(torch.tensor([[4, 5, -1, 0]])).tolist() == [[4, 0, 0, 0]]


def test_padding_does_not_change_the_features() -> None:
    spec = SPECS["text"]
    extractor = Extractor(ExtractorConfig(width=8, features=5), spec).eval()
    short = torch.tensor([[3, 4, 0, 0, 0, 0, 0]], dtype=torch.int32)
    unknown = torch.tensor([[3, 4, 99, 0, 0, 0, 0]], dtype=torch.int32)
    assert torch.equal(extractor(short), extractor(unknown))
