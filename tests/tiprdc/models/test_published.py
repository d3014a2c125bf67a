"""The paper's networks have the published size and accept other picture sizes."""

from __future__ import annotations

import pytest
import torch

from tiprdc.errors import ConfigError
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.models.networks import Networks
from tiprdc.models.published import PublishedCritic, published_networks


def _networks(*shape: int, width: int = 4096, dropout: float = 0.5) -> Networks:
    spec = InputSpec(modality="image", shape=shape)
    return published_networks(
        ExtractorConfig(), spec, {"secret": 4}, 1, width=width, dropout=dropout
    )


def test_published_picture_size_gives_the_published_networks() -> None:
    with torch.device("meta"):
        networks = _networks(3, 218, 178)
    millions = [
        sum(p.numel() for p in network.parameters()) / 1e6
        for network in (networks.extractor, networks.adversaries, networks.critic)
    ]
    assert millions == pytest.approx([0.26, 94.18, 142.67], abs=0.01)
    assert networks.features == 128 * 54 * 44


@pytest.mark.parametrize("shape", [(3, 32, 32), (3, 38, 65)])
def test_pictures_from_32_pixels_are_accepted(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    networks = _networks(*shape, width=16)
    x = torch.randint(256, (4, *shape), dtype=torch.uint8)
    z = networks.extractor(x)
    assert z.shape == (4, 128, shape[1] // 4, shape[2] // 4)
    assert z[0].numel() == networks.features
    (adversary,) = networks.adversaries[0]  # type: ignore[misc]  # a ModuleList
    assert adversary(z).shape == (4, 4)
    assert networks.critic(x, z, torch.eye(4), 3) <= 0


def test_one_pass_of_the_critic_equals_separate_passes() -> None:
    torch.manual_seed(0)
    critic = _networks(3, 32, 32, width=16, dropout=0.0).critic
    assert isinstance(critic, PublishedCritic)
    x, u = torch.randint(256, (5, 3, 32, 32), dtype=torch.uint8), torch.eye(5)[:, :4]
    z = torch.randn(5, 128, 8, 8)
    true, false = critic.score(x, z, u), critic.score(x.roll(1, 0), z, u)
    softplus = torch.nn.functional.softplus
    expected = -softplus(-true).mean() - softplus(false).mean()
    torch.testing.assert_close(critic(x, z, u, 1), expected)
    assert not torch.allclose(true, false)


@pytest.mark.parametrize("shape", [(3, 31, 64), (12,)])
def test_other_records_are_refused(shape: tuple[int, ...]) -> None:
    spec = InputSpec(modality="image" if len(shape) == 3 else "table", shape=shape)
    with pytest.raises(ConfigError, match="pictures with sides of at least 32 pixels"):
        published_networks(ExtractorConfig(), spec, {"secret": 2}, 1)


def test_bottleneck_is_refused() -> None:
    spec = InputSpec(modality="image", shape=(3, 32, 32))
    with pytest.raises(ConfigError, match=r"train.objective.bottleneck: above 0 with the publis"):
        published_networks(ExtractorConfig(), spec, {"secret": 2}, 1, bottleneck=True)
