"""Noise has the configured size, and local differential privacy holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tiprdc.baselines.base import MethodsConfig
from tiprdc.baselines.dp import BoundedRecord, record_epsilon
from tiprdc.baselines.methods import METHODS
from tiprdc.baselines.noise import Gaussian, Laplace, RandomisedResponse
from tiprdc.datasets.schema import Column
from tiprdc.models.inputs import InputSpec

TABLE = InputSpec(
    modality="table",
    shape=(2,),
    columns=(Column(name="kind", categories=("a", "b")), Column(name="level", mean=5, std=2)),
)
PICTURE = InputSpec(modality="image", shape=(3, 4, 4))


def test_gaussian_noise_has_its_standard_deviation() -> None:
    released = Gaussian(3.0)(np.zeros((200, 200), np.float32), np.random.default_rng(0))
    assert released.std() == pytest.approx(3.0, rel=0.02)
    assert METHODS["noisy"].noise(PICTURE, MethodsConfig(noise=0.5)) == Gaussian(32.0)
    assert METHODS["noisy"].noise(TABLE, MethodsConfig(noise=0.5)) == Gaussian(0.5)


def test_laplace_noise_is_epsilon_private() -> None:
    """P(r in S | z) <= e^epsilon P(r in S | z') for inputs at the largest distance."""
    rng, noise = np.random.default_rng(0), Laplace(epsilon=1.0, sensitivity=1.0)
    low, high = (noise(np.full(400_000, value), rng) for value in (0.0, 1.0))
    ratios = []
    for edge in np.linspace(-2, 3, 11):
        counts = [np.mean((r > edge) & (r < edge + 0.5)) for r in (low, high)]
        ratios.append(counts[0] / counts[1])
    assert max(ratios) == pytest.approx(math.e, rel=0.1)
    assert 1 / min(ratios) == pytest.approx(math.e, rel=0.1)


def test_randomised_response_is_epsilon_private() -> None:
    rng, epsilon = np.random.default_rng(0), 2.0
    released = RandomisedResponse(epsilon, 5)(np.full(200_000, 3), rng)
    share = np.bincount(released, minlength=5) / len(released)
    assert share[3] / share[0] == pytest.approx(math.exp(epsilon), rel=0.05)
    np.testing.assert_allclose(share[[0, 1, 2, 4]], share[0], rtol=0.05)


def test_input_changes_z_by_its_sensitivity_at_most() -> None:
    """Epsilon depends on it: any two values of a column differ by at most 1 in L1."""
    x = torch.tensor([[a, b] for a in (0.0, 1.0, 2.0) for b in (-1e6, 4.0, 1e6)])
    z = BoundedRecord(TABLE)(x)
    numeric, kind = z[:, :1], z[:, 1:]
    for part in (numeric, kind):
        assert torch.cdist(part, part, p=1).max() == pytest.approx(1.0)
    pictures = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 3, 4, 4)
    low, high = BoundedRecord(PICTURE)(pictures)
    assert (high - low).max() == BoundedRecord(PICTURE).sensitivity


def test_record_has_the_epsilon_of_all_its_inputs() -> None:
    assert record_epsilon(PICTURE, MethodsConfig(epsilon=2.0)) == 2.0 * 3 * 4 * 4
    assert record_epsilon(TABLE, MethodsConfig(epsilon=2.0)) == 2.0 * 2
