"""Certainty is 0 at the uniform guess and 1 for certain outputs, right or wrong."""

from __future__ import annotations

import pytest
import torch

from tiprdc.objectives.entropy import certainty


@pytest.mark.parametrize("classes", [2, 5])
def test_certainty_is_zero_if_uniform_and_one_if_certain(classes: int) -> None:
    assert certainty(torch.zeros(4, classes)).item() == pytest.approx(0, abs=1e-6)
    sure = 50 * torch.eye(classes)
    assert certainty(sure).item() == pytest.approx(1, abs=1e-6)


def test_gradient_lowers_the_certainty() -> None:
    logits = torch.tensor([[2.0, -2.0]], requires_grad=True)
    certainty(logits).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0] > 0 > logits.grad[0, 1]
