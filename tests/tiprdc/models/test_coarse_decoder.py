"""The decoder learns the coarse content of a record, and reading it does not train it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tiprdc.datasets.schema import Column
from tiprdc.models.coarse_decoder import CoarseDecoder
from tiprdc.models.inputs import InputSpec
from tiprdc.training.gradients import with_frozen_weights

PICTURES = InputSpec(modality="image", shape=(3, 20, 12))
TABLE = InputSpec(
    modality="table", shape=(2,),
    columns=(Column(name="age", mean=40.0, std=10.0), Column(name="work", categories=("a", "b"))),
)  # fmt: skip


def _records(spec: InputSpec, count: int) -> tuple[Tensor, Tensor]:
    """Features, and records that are a function of them."""
    z = torch.rand(count, 4)
    if spec.modality == "image":
        x = (255 * z[:, :3, None, None].expand(-1, 3, 20, 12)).to(torch.uint8)
        return z, x
    return z, torch.stack([30 + 20 * z[:, 0], (z[:, 1] > 0.5).float()], dim=1)


@pytest.mark.parametrize(("spec", "width"), [(PICTURES, 3 * 8 * 8), (TABLE, 1 + 3)])
def test_it_learns_the_coarse_content(spec: InputSpec, width: int) -> None:
    torch.manual_seed(0)
    z, x = _records(spec, 256)
    decoder = CoarseDecoder(spec, 4)
    assert decoder(z).shape == (256, width) == (256, decoder.width)
    optimiser = torch.optim.Adam(decoder.parameters(), 1e-2)
    losses = []
    for _ in range(150):
        loss = decoder.loss(z, x)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    if spec.modality == "image":
        colours = decoder(z).view(256, 3, -1).mean(2) / 4 + 0.5
        assert (colours - x[:, :, 0, 0] / 255).abs().mean() < 0.05


def test_frozen_output_has_gradients_for_features_only() -> None:
    z, _ = _records(PICTURES, 5)
    z.requires_grad_()
    decoder = CoarseDecoder(PICTURES, 4)
    with_frozen_weights(decoder, z).square().sum().backward()
    assert z.grad is not None
    assert z.grad.abs().sum() > 0
    assert all(p.grad is None for p in decoder.parameters())


def test_small_picture_is_not_downsampled() -> None:
    assert CoarseDecoder(InputSpec(modality="image", shape=(1, 6, 28)), 4).width == 6 * 8
