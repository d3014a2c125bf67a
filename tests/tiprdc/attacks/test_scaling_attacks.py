"""The attacks of suite 2: what each finds, several targets in one fit, stacks, copies."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tiprdc.attacks.base import Attacker, TrainingSet, log_loss
from tiprdc.attacks.calibration import fit_temperature
from tiprdc.attacks.families.moments import MomentsAttack
from tiprdc.attacks.learning_curve import curve_sizes
from tiprdc.attacks.suite import ATTACKS, try_stack
from tiprdc.models.views import VIEWS, views
from tiprdc.selftest.fixtures import FIXTURES


def people(count: int, seed: int) -> tuple[NDArray[np.float32], dict[str, NDArray[np.int64]]]:
    """Twelve columns; `line` is the sign of one, `product` that of a product of two others."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(count, 12)).astype(np.float32)
    labels = {"line": z[:, 0] > 0, "product": z[:, 1] * z[:, 2] > 0}
    return z, {name: values.astype(np.int64) for name, values in labels.items()}


def accuracy(attacker: Attacker, z: NDArray[np.float32], u: NDArray[np.int64]) -> float:
    return float(np.mean(attacker.predict(z) == u))


@pytest.mark.parametrize("name", ["ridge", "residual"])
def test_one_fit_serves_several_targets(name: str) -> None:
    z, labels = people(1500, 0)
    data = TrainingSet(z=z, labels=labels, classes={"line": 2, "product": 2}, x=z)
    attackers = ATTACKS[name].fit_targets(data, ("line", "product"), 0, 1)
    test, truth = people(1000, 1)
    assert accuracy(attackers["line"], test, truth["line"]) > 0.9
    assert accuracy(attackers["product"], test, truth["product"]) > 0.75
    for attacker in attackers.values():
        np.testing.assert_allclose(attacker.posterior(test).sum(1), 1, atol=1e-6)


def test_recursive_features_find_few_directions_among_many() -> None:
    ring, rng = FIXTURES["ring"], np.random.default_rng(0)
    (z, u), (test, truth) = (ring.draw(count, 0.8, rng) for count in (1500, 2000))
    rates = {
        name: accuracy(ATTACKS[name].fit(z, u, 2, 0, 1), test, truth)
        for name in ("recursive_features", "kernel")
    }
    assert rates["recursive_features"] > 0.7
    assert rates["recursive_features"] > rates["kernel"] + 0.05


@pytest.mark.parametrize(("name", "least"), [("thin", 0.53), ("spread", 0.58), ("norm", 0.75)])
def test_moments_find_what_many_columns_share(name: str, least: float) -> None:
    rng = np.random.default_rng(0)
    (z, u), (others, truth) = (FIXTURES[name].draw(4000, 0.8, rng) for _ in range(2))
    attacker = MomentsAttack().fit(z, u, 2, 0, 1)
    assert np.mean(attacker.predict(others) == truth) > least


def test_moments_of_a_class_with_one_person() -> None:
    z = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    u = np.array([0, 1] * 24 + [1, 2])
    probabilities = MomentsAttack().fit(z, u, 4, 0, 1).probabilities(z)
    assert probabilities.shape == (50, 4)
    assert np.isfinite(probabilities).all()


def test_stack_is_about_as_good_as_its_best_attack() -> None:
    z, labels = people(1500, 0)
    u = labels["line"] ^ (np.random.default_rng(0).random(1500) < 0.1)
    attackers = [
        ATTACKS[name].fit(z[:1000], u[:1000], 2, 0, 1)
        for name in ("logistic_regression", "nearest_neighbours", "gradient_boosting")
    ]
    test, truth = people(1500, 1)
    trial = try_stack(attackers, (z[1000:], u[1000:]), (test, truth["line"]), 2)
    best = max(accuracy(attacker, test, truth["line"]) for attacker in attackers)
    assert trial.status == "ok"
    assert trial.select is not None
    assert trial.select > best - 0.02


def test_stack_of_nothing_fails_with_a_reason() -> None:
    z, labels = people(100, 0)
    trial = try_stack([], (z, labels["line"]), (z, labels["line"]), 2)
    assert trial.select is None
    assert trial.status == "failed: ValueError: there is no fitted attack to stack"


def test_copies_of_pictures_are_like_them_and_always_the_same() -> None:
    x = np.random.default_rng(0).integers(0, 256, (5, 3, 16, 12), dtype=np.uint8)
    copies = views(x, 3)
    assert len(copies) == VIEWS
    for copy, again in zip(copies, views(x, 3), strict=True):
        assert (copy.shape, copy.dtype) == (x.shape, x.dtype)
        np.testing.assert_array_equal(copy, again)
        assert (copy != x).any()
    np.testing.assert_array_equal(copies[0][..., ::-1], x)


def test_curve_ends_with_all_people() -> None:
    assert curve_sizes(803) == (100, 200, 401, 803)


def test_a_temperature_mends_a_network_that_is_too_sure() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=4000)
    logits = 2.0 * (2 * truth - 1) + 2.0 * rng.standard_normal(4000)
    sure = 1 / (1 + np.exp(-8 * logits))
    temperature, loss = fit_temperature(np.stack([0 * logits, 8 * logits], 1), truth)
    assert temperature == 8.0
    assert loss < 0.4 < log_loss(np.stack([1 - sure, sure], 1), truth)
