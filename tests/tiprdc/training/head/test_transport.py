"""The transport: classes get one mean and covariance, the rest of a record stays readable."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import PolynomialFeatures
from torch import Tensor

from tiprdc.models.layers.transport import Transport
from tiprdc.training.head.transport_fit import fit_transport

WIDTH, FIT = 6, 3000


def _people(number: int, seed: int, classes: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Features, the class, which moves, stretches and turns them, and a task in column 3."""
    draw = torch.Generator().manual_seed(seed)
    u = torch.randint(classes, (number,), generator=draw)
    z = torch.randn(number, WIDTH, generator=draw)
    z[:, 3] = z[:, 3].sign() + 0.3 * z[:, 4]
    task = (z[:, 3] > 0).long()
    turned = z.clone()
    turned[:, 0] += 4 * u
    turned[:, 1] *= 1 + u
    turned[:, 2] += 0.8 * z[:, 3] * (2 * u - 1)
    return turned, u, task


def _accuracy(z: Tensor, y: Tensor) -> float:
    """Of a logistic regression on products, fitted on half of the people."""
    products = PolynomialFeatures(2).fit_transform(z)
    half = len(y) // 2
    model = LogisticRegression(max_iter=2000).fit(products[:half], y[:half])
    return float(model.score(products[half:], y[half:]))


def test_starts_as_the_identity() -> None:
    z = torch.randn(20, WIDTH)
    torch.testing.assert_close(Transport(WIDTH, [2, 3])(z), z)
    assert Transport(WIDTH, [])(z) is z


@pytest.mark.parametrize(("classes", "most"), [(2, 0.06), (3, 0.15)])
def test_strangers_are_alike_but_for_what_is_no_secret(classes: int, most: float) -> None:
    z, u, _ = _people(FIT, 0, classes)
    transport = Transport(WIDTH, [classes])
    fit_transport(transport, z, u[:, None], 1, seed=0)
    strangers, secret, task = _people(FIT, 1, classes)
    moved = transport.eval()(strangers)
    guess = np.bincount(secret).max() / FIT
    assert _accuracy(strangers, secret) > 0.9
    assert _accuracy(moved, secret) < guess + most
    assert _accuracy(moved, task) > 0.9


def test_training_people_are_moved_as_strangers_are() -> None:
    """A perceptron that only knows its own people by heart moves no class."""
    z, u = torch.randn(1000, 20), torch.arange(1000) // 500
    moved = fit_transport(Transport(20, [2]), z, u[:, None], 1, seed=0)
    assert moved is not z
    by_class = torch.stack([moved[u == k].mean(0) for k in (0, 1)])
    before = torch.stack([z[u == k].mean(0) for k in (0, 1)])
    assert float((by_class[0] - by_class[1]).norm()) > 0.5 * float((before[0] - before[1]).norm())


def test_two_attributes_are_both_moved() -> None:
    z, u, _ = _people(FIT, 0)
    other = (z[:, 5] > 0).long()
    transport = Transport(WIDTH, [2, 2])
    moved = fit_transport(transport, z, torch.stack([u, other], 1), 1, seed=0)
    assert _accuracy(moved, u) < 0.57
    assert LogisticRegression().fit(moved, other).score(moved, other) < 0.65


def test_same_seed_same_transport_whatever_was_fitted_before() -> None:
    z, u, _ = _people(600, 0)
    transport = Transport(WIDTH, [2])
    first = fit_transport(transport, z, u[:, None], 1, seed=0)
    torch.rand(3)
    torch.testing.assert_close(fit_transport(transport, z, u[:, None], 1, seed=0), first)


def test_copies_of_a_record_are_in_one_fold() -> None:
    z, u, _ = _people(400, 0)
    copied, labels = z.repeat_interleave(3, 0), u.repeat_interleave(3)
    moved = fit_transport(Transport(WIDTH, [2]), copied, labels[:, None], 3, seed=0)
    torch.testing.assert_close(moved[0::3], moved[1::3])


def test_few_records_are_not_moved() -> None:
    z, u, _ = _people(WIDTH * 50 - 1, 0)
    transport = Transport(WIDTH, [2])
    assert fit_transport(transport, z, u[:, None], 1, seed=0) is z
    torch.testing.assert_close(transport.eval()(z), z)
