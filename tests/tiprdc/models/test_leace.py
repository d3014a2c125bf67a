"""The guard's theorem: no linear attacker gains anything, and no other map changes less."""

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

from tiprdc.models.leace import LeaceLayer


def _features(classes: int = 3, records: int = 4000, width: int = 8) -> tuple[Tensor, Tensor]:
    """Correlated columns of unequal size, whose means depend on the class."""
    torch.manual_seed(0)
    u = torch.randint(classes, (records,))
    shift = one_hot(u, classes).float() @ torch.randn(classes, width)
    return (torch.randn(records, width) + shift) @ torch.randn(width, width) + 3, u


def _fitted(z: Tensor, hot: Tensor) -> LeaceLayer:
    guard = LeaceLayer(z.shape[1]).eval()
    guard.fit(z, hot)
    return guard


def _covariance(z: Tensor, hot: Tensor) -> float:
    """Largest correlation of a column of z with one of u."""
    z, hot = z.double() - z.double().mean(0), hot.double() - hot.double().mean(0)
    scale = z.std(0).clamp(min=1e-9)[:, None] * hot.std(0)[None]
    return float(((z.T @ hot) / len(z) / scale).abs().max())


def _logistic_gain(z: Tensor, u: Tensor) -> float:
    """Nats that logistic regression saves on the records that it is fitted on."""
    columns: NDArray[np.float64] = z.double().numpy()
    columns = (columns - columns.mean(0)) / columns.std(0)
    labels = u.numpy()
    attacker = LogisticRegression(C=1e6, tol=1e-8, max_iter=5000).fit(columns, labels)
    shares = np.bincount(labels) / len(labels)
    constant = float(-(shares * np.log(shares)).sum())
    return constant - float(log_loss(labels, attacker.predict_proba(columns)))


def _linear_gain(z: Tensor, hot: Tensor) -> float:
    """R^2 of least squares in 64 bits, for which no direction is too flat."""
    z, hot = z.double() - z.double().mean(0), hot.double() - hot.double().mean(0)
    fit = torch.linalg.lstsq(z, hot, rcond=1e-14, driver="gelsd").solution
    return float(1 - (hot - z @ fit).square().sum() / hot.square().sum())


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_no_linear_attacker_beats_the_constant_guess_on_the_fitted_records(classes: int) -> None:
    z, u = _features(classes)
    hot = one_hot(u, classes)
    assert _covariance(z, hot) > 0.3
    assert _logistic_gain(z, u) > 0.3
    guarded = _fitted(z, hot)(z)
    assert _covariance(guarded, hot) < 1e-5
    assert _logistic_gain(guarded, u) < 1e-5
    # Directions of nothing but rounding explain as much as noise does.
    assert _linear_gain(guarded, hot) < 3 * classes / len(z)


def test_one_rounded_matrix_would_leave_the_attribute_in_the_rounding() -> None:
    """Why the guard has two: an attacker who whitens in 64 bits finds what 32 bits left over."""
    z, u = _features()
    hot = one_hot(u, 3)
    guard = _fitted(z, hot)
    single = (guard.inward.double() @ guard.outward.double()).float()
    assert _linear_gain((z - guard.mean) @ single, hot) > 0.01
    assert _linear_gain(guard(z), hot) < 0.003


def test_several_attributes_are_erased_together() -> None:
    z, first = _features(3)
    second = (torch.rand(len(z)) < 0.3).long()
    z[:, 2] += 5 * second
    hot = torch.cat([one_hot(first, 3), one_hot(second, 2)], dim=1)
    guarded = _fitted(z, hot)(z)
    for u in (first, second):
        assert _logistic_gain(z, u) > 0.2
        assert _logistic_gain(guarded, u) < 1e-5
    alone = _fitted(z, one_hot(first, 3))(z)
    assert _logistic_gain(alone, second) > 0.2


@pytest.mark.parametrize("size", [1e-3, 1e-1])
def test_no_other_map_that_erases_changes_less(size: float) -> None:
    """Any such map is the guard plus a matrix whose rows do not see Cov(z, u)."""
    z, u = _features()
    hot = one_hot(u, 3).double()
    guard = _fitted(z, hot)
    centred = z.double() - z.double().mean(0)
    erase = guard.inward.double() @ guard.outward.double()
    least = (centred @ erase - centred).square().sum(1).mean()
    seen = torch.linalg.qr(centred.T @ (hot - hot.mean(0))[:, :2]).Q
    unseen = torch.eye(8, dtype=torch.float64) - seen @ seen.T
    for _ in range(20):
        other = erase + size * unseen @ torch.randn(8, 8, dtype=torch.float64)
        assert _covariance(centred @ other, hot) < 1e-5
        assert (centred @ other - centred).square().sum(1).mean() > least
    # The obvious way, to project the class means away, erases too and changes more.
    assert (centred @ unseen - centred).square().sum(1).mean() > 1.1 * least


def test_only_as_many_directions_go_as_there_are_classes_less_one() -> None:
    z, u = _features(3)
    guard = _fitted(z, one_hot(u, 3))
    assert torch.linalg.matrix_rank(guard.inward @ guard.outward) == 8 - 2
    torch.testing.assert_close(guard(z).mean(0), z.mean(0), atol=1e-3, rtol=0)


def test_features_without_the_attribute_are_left_as_they_are() -> None:
    z, _ = _features()
    constant = torch.ones(len(z), 1)
    torch.testing.assert_close(_fitted(z, constant)(z), z, atol=1e-3, rtol=0)


def test_a_column_that_never_changes_stays_and_does_no_harm() -> None:
    z, u = _features()
    z[:, 3] = 7.0
    guarded = _fitted(z, one_hot(u, 3))(z)
    assert guarded.isfinite().all()
    torch.testing.assert_close(guarded[:, 3], z[:, 3], atol=1e-3, rtol=0)


def test_it_does_not_stop_an_attacker_that_is_not_linear() -> None:
    """What the guard does not promise: the length of z passes through it."""
    torch.manual_seed(0)
    z = torch.randn(2000, 6)
    u = (z.norm(dim=1) > z.norm(dim=1).median()).long()
    guarded = _fitted(z, one_hot(u, 2))(z).numpy()
    assert SVC().fit(guarded[:1000], u[:1000]).score(guarded[1000:], u[1000:]) > 0.75


def test_until_it_is_fitted_and_in_training_it_is_the_identity() -> None:
    z, u = _features()
    guard = LeaceLayer(8).eval()
    assert torch.equal(guard(z), z)
    guard.fit(z, one_hot(u, 3))
    assert not torch.allclose(guard(z), z, atol=0.1)
    assert torch.equal(guard.train()(z), z)
