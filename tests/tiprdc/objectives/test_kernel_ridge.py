"""The closed-form adversary detects a leak on held-out records and reports none without one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from tiprdc.objectives import kernel_ridge
from tiprdc.objectives.kernel_ridge import LabelledFeatures, MemoryRidge, explained_variance


def _batch(records: int = 256, width: int = 16) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(records, width), torch.randint(2, (records,))


def _labelled(z: Tensor, u: Tensor) -> LabelledFeatures:
    return LabelledFeatures(z, one_hot(u, 2).float())


def _score(z: Tensor, u: Tensor) -> float:
    return explained_variance(_labelled(z, u)).variance.item()


def test_linear_bit_is_explained() -> None:
    z, u = _batch()
    z[:, 0] += 4 * (u.float() - 0.5)
    assert _score(z, u) > 0.3


def test_xor_is_explained() -> None:
    z, _ = _batch(512, 2)
    u = ((z[:, 0] > 0) ^ (z[:, 1] > 0)).long()
    assert _score(z, u) > 0.3


def test_independent_features_explain_nothing() -> None:
    assert _score(*_batch()) < 0.05


def test_memorising_the_batch_scores_nothing() -> None:
    z, u = _batch(64, 512)
    assert _score(z, u) < 0.1


def test_it_does_not_depend_on_the_scale_of_z() -> None:
    z, u = _batch()
    z[:, 0] += 2 * (u.float() - 0.5)
    scaled = z / z.std()
    assert _score(scaled, u) == pytest.approx(_score(z, u), abs=0.05)


def test_gradient_equals_that_of_the_inverse(monkeypatch: pytest.MonkeyPatch) -> None:
    z, u = _batch(32, 4)
    z[:, 0] += 2 * (u.float() - 0.5)
    batch = _labelled(z.double().requires_grad_(), u)._replace(u=one_hot(u, 2).double())
    (gradient,) = torch.autograd.grad(explained_variance(batch).variance, batch.z)
    monkeypatch.setattr(
        kernel_ridge, "_solve", lambda systems, targets: systems.inverse() @ targets
    )
    (expected,) = torch.autograd.grad(explained_variance(batch).variance, batch.z)
    assert expected.abs().max() > 1e-4
    torch.testing.assert_close(gradient, expected)


def test_gradient_step_hides_the_bit() -> None:
    z, u = _batch()
    z[:, 0] += 4 * (u.float() - 0.5)
    z.requires_grad_()
    before = explained_variance(_labelled(z, u)).variance
    before.backward()
    assert z.grad is not None
    after = explained_variance(_labelled(z.detach() - 20 * z.grad, u)).variance
    assert after < before


def _memory_score(z: Tensor, u: Tensor, records: int) -> float:
    """Fitted on the first records, scored on the last 128."""
    memory, batch = _labelled(z[:records], u[:records]), _labelled(z[-128:], u[-128:])
    return MemoryRidge(memory).explained_variance(batch).variance.item()


def test_memory_detects_a_leak_too_weak_for_a_batch() -> None:
    z, _ = _batch(2048, 32)
    u = ((z[:, 0] > 0) ^ (z[:, 1] > 0)).long()
    z = z * torch.tensor([2.0, 2.0] + [1.0] * 30)
    assert _score(z[-128:], u[-128:]) < 0.15
    assert _memory_score(z, u, 1920) > 0.3


def test_memory_of_noise_explains_nothing() -> None:
    z, u = _batch(1024, 16)
    labels = torch.randint(2, (1024,))
    batch = LabelledFeatures(z[-128:] + 4 * (u[-128:, None] - 0.5), one_hot(u[-128:], 2).float())
    assert MemoryRidge(_labelled(z[:896], labels[:896])).explained_variance(batch).variance < 0.05
