"""What a round of a flow does."""

from __future__ import annotations

import torch

from tiprdc.models.layers.flow import Flow


def test_starts_as_the_identity() -> None:
    z, guesses = torch.randn(6, 4), torch.randn(6, 3)
    assert torch.equal(Flow(4, [3], 2)(z, guesses), z)
    assert Flow(4, [3], 0)(z, guesses) is z


def test_rounds_that_move_nobody_are_left_out() -> None:
    torch.manual_seed(2)
    flow = Flow(4, [3], 3)
    flow.round(1).step.fill_(0.5)
    flow.round(1).mean.fill_(0.1)
    z, guesses = torch.randn(6, 4), torch.randn(6, 3)
    before = flow(z, guesses)
    flow.fold()
    assert len(flow.rounds) == 1
    torch.testing.assert_close(flow(z, guesses), before)


def test_a_round_lowers_the_logit_of_the_guessed_class() -> None:
    torch.manual_seed(1)
    flow = Flow(6, [2], 1)
    step = flow.round(0)
    step.step.fill_(0.01)
    z = torch.randn(50, 6)
    guesses = torch.tensor([[0.5, -0.5]]).expand(50, 2)
    before, after = (step.discriminator(q) for q in (z, flow(z, guesses)))
    gap = (before - after)[:, 0] - (before - after)[:, 1]
    assert (gap > 0).all()
