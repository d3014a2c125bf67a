"""Every family: shapes, raw inputs, and that padding and strange ids do not leak in."""

from __future__ import annotations

import pytest
import torch

from tiprdc.datasets.schema import Column
from tiprdc.errors import ConfigError
from tiprdc.models.critic import Critic
from tiprdc.models.extractor import Extractor, ExtractorConfig, Whitening
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
def test_the_critic_scores_every_kind_of_record(modality: str) -> None:
    spec = SPECS[modality]
    critic = Critic(ExtractorConfig(width=8, features=5), spec, 2)
    u = torch.eye(2)[torch.randint(2, (6,))]
    score = critic(_records(spec, 6), torch.randn(6, 5), u, negatives=3)
    assert score.shape == ()
    assert score <= 0


def test_a_family_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"train.extractor.family: lstm\n  expected: auto, cnn"):
        Extractor(ExtractorConfig(family="lstm"), SPECS["image"])


def test_an_unseen_category_has_its_own_place_and_a_constant_column_is_finite() -> None:
    columns = Columns(COLUMNS)
    out = columns(torch.tensor([[50.0, 9.0, 1.0], [30.0, 1.0, 1.0]]))
    assert out.tolist() == [[1, 0, 0, 0, 1], [-1, 0, 0, 1, 0]]


def test_ids_out_of_the_vocabulary_are_padding() -> None:
    assert Tokens(5)(torch.tensor([[4, 5, -1, 0]])).tolist() == [[4, 0, 0, 0]]


def test_padding_does_not_change_the_features() -> None:
    spec = SPECS["text"]
    extractor = Extractor(ExtractorConfig(width=8, features=5), spec).eval()
    short = torch.tensor([[3, 4, 0, 0, 0, 0, 0]], dtype=torch.int32)
    strange = torch.tensor([[3, 4, 99, 0, 0, 0, 0]], dtype=torch.int32)
    assert torch.equal(extractor(short), extractor(strange))


def test_whitened_features_have_no_small_direction_to_hide_in() -> None:
    torch.manual_seed(0)
    mixing = torch.diag(torch.tensor([3.0, 1.0, 0.3])) @ torch.linalg.qr(torch.randn(3, 3)).Q
    whiten = Whitening(3)
    for _ in range(200):
        whiten(torch.randn(256, 3) @ mixing + 5)
    z = whiten.eval()(torch.randn(20_000, 3) @ mixing + 5)
    torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=0.1, rtol=0)
    torch.testing.assert_close(z.T.cov(), torch.eye(3), atol=0.15, rtol=0)


def test_a_direction_that_holds_nothing_is_not_blown_up() -> None:
    torch.manual_seed(0)
    whiten = Whitening(2)
    for _ in range(100):
        whiten(torch.randn(64, 1) * torch.tensor([[1.0, 0.0]]))
    assert whiten.eval()(torch.tensor([[1.0, 1e-3]])).abs().max() < 2
