"""Products of float32 on a GPU are exact unless `train.schedule.precision` says otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tiprdc.models.precision import exact_products, set_products


def rounds() -> set[bool]:
    """Whether products are rounded, of matrices and in convolutions."""
    return {torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32}


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    set_products("fp32")


@pytest.mark.parametrize(
    ("setting", "rounding"), [("fp32", False), ("bf16", False), ("tf32", True)]
)
def test_setting_decides_for_matrices_and_convolutions(setting: str, rounding: bool) -> None:
    set_products(setting)
    assert rounds() == {rounding}


def test_block_is_exact_and_restores_the_setting() -> None:
    set_products("tf32")
    with exact_products():
        assert rounds() == {False}
    assert rounds() == {True}
