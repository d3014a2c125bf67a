"""What is rebuilt of a record comes near to it, and reading it teaches nobody to rebuild worse."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tiprdc.datasets.schema import Column
from tiprdc.models.coarse_decoder import CoarseDecoder
from tiprdc.models.inputs import InputSpec
from tiprdc.training.game import ask_frozen

PICTURES = InputSpec(modality="image", shape=(3, 20, 12))
TABLE = InputSpec(
    modality="table", shape=(2,),
    columns=(Column(name="age", mean=40.0, std=10.0), Column(name="work", categories=("a", "b"))),
)  # fmt: skip


def _records(spec: InputSpec, count: int) -> tuple[Tensor, Tensor]:
    """Features and records that follow from them."""
    z = torch.rand(count, 4)
    if spec.modality == "image":
        x = (255 * z[:, :3, None, None].expand(-1, 3, 20, 12)).to(torch.uint8)
        return z, x
    return z, torch.stack([30 + 20 * z[:, 0], (z[:, 1] > 0.5).float()], dim=1)


@pytest.mark.parametrize(("spec", "width"), [(PICTURES, 3 * 8 * 8), (TABLE, 1 + 3)])
def test_it_learns_what_is_plainly_to_be_seen(spec: InputSpec, width: int) -> None:
    torch.manual_seed(0)
    z, x = _records(spec, 256)
    glimpse = CoarseDecoder(spec, 4)
    assert glimpse(z).shape == (256, width) == (256, glimpse.width)
    learner = torch.optim.Adam(glimpse.parameters(), 1e-2)
    lost = []
    for _ in range(150):
        loss = glimpse.lost(z, x)
        learner.zero_grad()
        loss.backward()
        learner.step()
        lost.append(loss.item())
    assert lost[-1] < 0.1 * lost[0]
    if spec.modality == "image":
        colours = glimpse(z).view(256, 3, -1).mean(2) / 4 + 0.5
        assert (colours - x[:, :, 0, 0] / 255).abs().mean() < 0.05


def test_reading_it_leads_to_the_features_and_not_to_its_weights() -> None:
    z, _ = _records(PICTURES, 5)
    z.requires_grad_()
    glimpse = CoarseDecoder(PICTURES, 4)
    ask_frozen(glimpse, z).square().sum().backward()
    assert z.grad is not None
    assert z.grad.abs().sum() > 0
    assert all(p.grad is None for p in glimpse.parameters())


def test_a_small_picture_is_seen_as_it_is() -> None:
    assert CoarseDecoder(InputSpec(modality="image", shape=(1, 6, 28)), 4).width == 6 * 8
