"""Bounds hold, noise has its size, the number of levels is right, and gradients pass."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tiprdc.errors import ConfigError
from tiprdc.models.extractor import Extractor, ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.layers.channel import Channel


def _release(channel: Channel, z: torch.Tensor) -> torch.Tensor:
    released: torch.Tensor = channel(channel.bound(z))
    return released


def test_channel_without_settings_is_the_identity() -> None:
    z = torch.randn(50, 3)
    assert torch.equal(_release(Channel(0.0, 0.0, 0), z), z)


def test_bounded_features_stay_in_range_and_small_ones_are_unchanged() -> None:
    channel = Channel(3.0, 0.0, 0)
    assert _release(channel, 100 * torch.randn(500)).abs().max() <= 3
    small = 0.1 * torch.randn(500)
    torch.testing.assert_close(_release(channel, small), small, atol=1e-2, rtol=0)


def test_noise_has_its_deviation_and_is_drawn_anew() -> None:
    torch.manual_seed(0)
    channel, z = Channel(0.0, 0.7, 0).eval(), torch.randn(40_000)
    assert (_release(channel, z) - z).std().item() == pytest.approx(0.7, rel=0.02)
    assert not torch.equal(_release(channel, z), _release(channel, z))


@pytest.mark.parametrize("bits", [1, 2, 5])
@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_number_of_levels_follows_from_bits(bits: int, noise: float) -> None:
    torch.manual_seed(0)
    levels = _release(Channel(2.0, noise, bits).eval(), 9 * torch.randn(20_000)).unique()
    assert len(levels) == 2**bits
    torch.testing.assert_close(levels, torch.linspace(-2, 2, 2**bits))


def test_each_feature_is_rounded_to_the_nearest_level() -> None:
    z = torch.linspace(-2, 2, 401)
    released = Channel(2.0, 0.0, 3).eval()(z)
    assert (released - z).abs().max() <= 4 / 7 / 2 + 1e-6


def test_gradient_passes_straight_through_the_levels() -> None:
    z = torch.randn(20, requires_grad=True)
    channel = Channel(2.0, 0.0, 2).train()
    released = channel(z)
    torch.testing.assert_close(released, channel.eval()(z))
    released.sum().backward()
    assert torch.equal(z.grad, torch.ones(20))  # type: ignore[arg-type]


@pytest.mark.parametrize("training", [True, False])
def test_extractor_uses_the_channel_in_training_and_evaluation(training: bool) -> None:
    torch.manual_seed(0)
    spec = InputSpec(modality="text", shape=(7,), vocabulary_size=11)
    config = ExtractorConfig(width=8, features=5, clip=1.0, release_noise=0.5, bits=1)
    extractor = Extractor(config, spec).train(training)
    x = torch.randint(11, (9, 7), dtype=torch.int32)
    torch.testing.assert_close(extractor(x).abs(), torch.ones(9, 5))
    assert extractor.features_before_release(x).abs().max() < 1
    unprotected = config.unprotected()
    assert Extractor(unprotected, spec).channel.is_deterministic
    assert (unprotected.width, unprotected.features) == (8, 5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bits": 2}, r"train.extractor.bits: 2 bits of features without bounds"),
        ({"bits": 17, "clip": 1.0}, r"train.extractor.bits: 17"),
        ({"clip": 0.01}, r"train.extractor.clip: 0.01"),
        ({"release_noise": -1.0}, r"train.extractor.release_noise: -1.0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ExtractorConfig(**settings)
