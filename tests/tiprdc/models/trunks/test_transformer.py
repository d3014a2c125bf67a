"""Padding has no effect, an empty text gives finite features, and the order of tokens matters."""

from __future__ import annotations

import pytest
import torch

from tiprdc.errors import ConfigError
from tiprdc.models.critic import Critic
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec

SPEC = InputSpec(modality="text", shape=(7,), vocabulary_size=11)


def _extractor(**change: int) -> Extractor:
    torch.manual_seed(0)
    config = ExtractorConfig(**{"family": "transformer", "width": 8, "features": 5, **change})
    return Extractor(config, SPEC).eval()


def _z(extractor: Extractor, *ids: int) -> torch.Tensor:
    with torch.inference_mode():
        z: torch.Tensor = extractor(torch.tensor([ids], dtype=torch.int32))
    return z


def test_padding_and_unknown_ids_do_not_change_the_features() -> None:
    extractor = _extractor()
    expected = _z(extractor, 3, 4, 0, 0, 0, 0, 0)
    torch.testing.assert_close(_z(extractor, 3, 4, 99, 0, 0, 0, 0), expected)
    with torch.no_grad():  # the embedding of padding must not matter
        extractor.trunk.embedding.weight[0] = 50.0  # type: ignore[union-attr]
    torch.testing.assert_close(_z(extractor, 3, 4, 0, 0, 0, 0, 0), expected)


def test_text_without_tokens_is_finite_alone_and_in_a_batch() -> None:
    extractor = _extractor()
    empty = _z(extractor, *[0] * 7)
    assert empty.isfinite().all()
    both = torch.tensor([[0] * 7, [3, 4, 5, 0, 0, 0, 0]], dtype=torch.int32)
    with torch.inference_mode():
        torch.testing.assert_close(extractor(both)[:1], empty)


def test_order_of_tokens_changes_the_features() -> None:
    extractor = _extractor()
    first, second = (_z(extractor, *ids, 0, 0, 0) for ids in ((3, 4, 5, 6), (6, 5, 4, 3)))
    assert (first - second).abs().max() > 1e-3


def test_every_parameter_gets_a_gradient() -> None:
    extractor = _extractor(depth=3, heads=2).train()
    extractor(torch.randint(1, 11, (16, 7), dtype=torch.int32)).square().mean().backward()
    without_gradient = [
        n for n, p in extractor.named_parameters() if p.grad is None or not p.grad.any()
    ]
    assert without_gradient == []


def test_critic_has_a_transformer_trunk_too() -> None:
    critic = Critic(ExtractorConfig(family="transformer", width=8, features=5), SPEC, 2)
    x = torch.randint(11, (6, 7), dtype=torch.int32)
    assert critic(x, torch.randn(6, 5), torch.eye(2)[[0, 1, 0, 1, 0, 1]], 3) <= 0


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"heads: 5\n  expected: a number that divides 32"):
        _extractor(heads=5)
    with pytest.raises(ConfigError, match=r"train.extractor.depth: 0"):
        _extractor(depth=0)
