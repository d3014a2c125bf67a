"""The theorem of LEACE: no linear attacker gains anything, and no other map changes z less."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.svm import SVC
from torch import Tensor
from torch.nn.functional import one_hot

from tiprdc.models.layers.leace import LeaceLayer


def _features(classes: int = 3, records: int = 4000, width: int = 8) -> tuple[Tensor, Tensor]:
    """Correlated columns of unequal size, whose means depend on the class."""
    torch.manual_seed(0)
    u = torch.randint(classes, (records,))
    shift = one_hot(u, classes).float() @ torch.randn(classes, width)
    return (torch.randn(records, width) + shift) @ torch.randn(width, width) + 3, u


def _fitted(z: Tensor, onehot: Tensor) -> LeaceLayer:
    layer = LeaceLayer(z.shape[1]).eval()
    layer.fit(z, onehot)
    return layer


def _covariance(z: Tensor, onehot: Tensor) -> float:
    """Largest correlation of a column of z with one of u."""
    z, onehot = z.double() - z.double().mean(0), onehot.double() - onehot.double().mean(0)
    scale = z.std(0).clamp(min=1e-9)[:, None] * onehot.std(0)[None]
    return float(((z.T @ onehot) / len(z) / scale).abs().max())


def _logistic_gain(z: Tensor, u: Tensor) -> float:
    """Nats that logistic regression gains on the records that it is fitted on."""
    columns: NDArray[np.float64] = z.double().numpy()
    columns = (columns - columns.mean(0)) / columns.std(0)
    labels = u.numpy()
    attacker = LogisticRegression(C=1e6, tol=1e-8, max_iter=5000).fit(columns, labels)
    shares = np.bincount(labels) / len(labels)
    constant = float(-(shares * np.log(shares)).sum())
    return constant - float(log_loss(labels, attacker.predict_proba(columns)))


def _linear_gain(z: Tensor, onehot: Tensor) -> float:
    """R^2 of least squares in 64 bits, which uses every direction."""
    z, onehot = z.double() - z.double().mean(0), onehot.double() - onehot.double().mean(0)
    fit = torch.linalg.lstsq(z, onehot, rcond=1e-14, driver="gelsd").solution
    return float(1 - (onehot - z @ fit).square().sum() / onehot.square().sum())


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_no_linear_attacker_beats_the_constant_guess_on_fitted_records(classes: int) -> None:
    z, u = _features(classes)
    onehot = one_hot(u, classes)
    assert _covariance(z, onehot) > 0.3
    assert _logistic_gain(z, u) > 0.3
    erased = _fitted(z, onehot)(z)
    assert _covariance(erased, onehot) < 1e-5
    assert _logistic_gain(erased, u) < 1e-5
    # Directions of pure rounding explain as much as noise does.
    assert _linear_gain(erased, onehot) < 3 * classes / len(z)


def test_single_rounded_matrix_leaves_the_attribute_in_the_rounding() -> None:
    """Why the layer has two matrices: an attacker who whitens in 64 bits finds 32-bit rounding."""
    z, u = _features()
    onehot = one_hot(u, 3)
    layer = _fitted(z, onehot)
    single = (layer.inward.double() @ layer.outward.double()).float()
    assert _linear_gain((z - layer.mean) @ single, onehot) > 0.01
    assert _linear_gain(layer(z), onehot) < 0.003


def test_several_attributes_are_erased_together() -> None:
    z, first = _features(3)
    second = (torch.rand(len(z)) < 0.3).long()
    z[:, 2] += 5 * second
    onehot = torch.cat([one_hot(first, 3), one_hot(second, 2)], dim=1)
    erased = _fitted(z, onehot)(z)
    for u in (first, second):
        assert _logistic_gain(z, u) > 0.2
        assert _logistic_gain(erased, u) < 1e-5
    alone = _fitted(z, one_hot(first, 3))(z)
    assert _logistic_gain(alone, second) > 0.2


@pytest.mark.parametrize("size", [1e-3, 1e-1])
def test_no_other_erasing_map_changes_less(size: float) -> None:
    """Any such map is this one plus a matrix whose rows are orthogonal to Cov(z, u)."""
    z, u = _features()
    onehot = one_hot(u, 3).double()
    layer = _fitted(z, onehot)
    centred = z.double() - z.double().mean(0)
    erase = layer.inward.double() @ layer.outward.double()
    minimum = (centred @ erase - centred).square().sum(1).mean()
    directions = torch.linalg.qr(centred.T @ (onehot - onehot.mean(0))[:, :2]).Q
    projection = torch.eye(8, dtype=torch.float64) - directions @ directions.T
    for _ in range(20):
        other = erase + size * projection @ torch.randn(8, 8, dtype=torch.float64)
        assert _covariance(centred @ other, onehot) < 1e-5
        assert (centred @ other - centred).square().sum(1).mean() > minimum
    # Projecting the class means away also erases, and changes more.
    assert (centred @ projection - centred).square().sum(1).mean() > 1.1 * minimum


def test_rank_drops_by_the_number_of_classes_less_one() -> None:
    z, u = _features(3)
    layer = _fitted(z, one_hot(u, 3))
    assert torch.linalg.matrix_rank(layer.inward @ layer.outward) == 8 - 2
    torch.testing.assert_close(layer(z).mean(0), z.mean(0), atol=1e-3, rtol=0)


def test_features_without_the_attribute_are_unchanged() -> None:
    z, _ = _features()
    constant = torch.ones(len(z), 1)
    torch.testing.assert_close(_fitted(z, constant)(z), z, atol=1e-3, rtol=0)


def test_constant_column_is_unchanged() -> None:
    z, u = _features()
    z[:, 3] = 7.0
    erased = _fitted(z, one_hot(u, 3))(z)
    assert erased.isfinite().all()
    torch.testing.assert_close(erased[:, 3], z[:, 3], atol=1e-3, rtol=0)


def test_nonlinear_attacker_still_succeeds() -> None:
    """The theorem does not cover this: the length of z remains."""
    torch.manual_seed(0)
    z = torch.randn(2000, 6)
    u = (z.norm(dim=1) > z.norm(dim=1).median()).long()
    erased = _fitted(z, one_hot(u, 2))(z).numpy()
    assert SVC().fit(erased[:1000], u[:1000]).score(erased[1000:], u[1000:]) > 0.75


def test_it_is_the_identity_in_training_and_before_fit() -> None:
    z, u = _features()
    layer = LeaceLayer(8).eval()
    assert torch.equal(layer(z), z)
    layer.fit(z, one_hot(u, 3))
    assert not torch.allclose(layer(z), z, atol=0.1)
    assert torch.equal(layer.train()(z), z)
