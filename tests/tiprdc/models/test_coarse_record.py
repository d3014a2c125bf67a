"""Coarse records: their numbers for each modality, and their standardisation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tiprdc.datasets.schema import Column
from tiprdc.models.coarse_record import coarse_record, coarse_width, standardised
from tiprdc.models.inputs import InputSpec, normaliser

COLUMNS = (Column(name="age", mean=40.0, std=10.0), Column(name="job", categories=("a", "b")))
CASES = {
    "image": (
        InputSpec(modality="image", shape=(3, 32, 16)),
        torch.randint(256, (5, 3, 32, 16), dtype=torch.uint8), 3 * 8 * 8,
    ),
    "small image": (
        InputSpec(modality="image", shape=(1, 4, 16)),
        torch.randint(256, (5, 1, 4, 16), dtype=torch.uint8), 4 * 8,
    ),
    "table": (
        InputSpec(modality="table", shape=(2,), columns=COLUMNS), torch.ones(5, 2), 1 + 3,
    ),
    "text": (
        InputSpec(modality="text", shape=(7,), vocabulary_size=9), torch.ones(5, 7).long(), 0,
    ),
    "audio": (
        InputSpec(modality="audio", shape=(8000,), rate=16000),
        torch.randint(-99, 99, (5, 8000), dtype=torch.int16), 8 * 8,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spec", "x", "width"), CASES.values(), ids=CASES)
def test_width_is_known_before_there_are_records(spec: InputSpec, x: Tensor, width: int) -> None:
    assert coarse_width(spec) == width
    numbers = coarse_record(normaliser(spec)(x))
    assert numbers.shape == (5, width)
    assert numbers.is_floating_point()


def test_a_picture_becomes_mean_colours() -> None:
    x = torch.zeros(1, 1, 16, 16)
    x[:, :, 2:4, 14:] = 4.0
    numbers = coarse_record(x).view(8, 8)
    assert float(numbers[1, 7]) == 4.0
    assert float(numbers.sum()) == 4.0


def test_standardised_numbers_are_bounded_and_a_constant_is_zero() -> None:
    numbers = torch.randn(1000, 3, generator=torch.Generator().manual_seed(0)) * 7 + 3
    numbers[:, 1], numbers[0, 0] = 2.0, 1e4
    result = standardised(numbers)
    assert torch.equal(result[:, 1], torch.zeros(1000))
    assert float(result[0, 0]) == 5.0
    assert abs(float(result[:, 2].mean())) < 1e-5
    assert abs(float(result[:, 2].square().mean()) - 1) < 1e-4
