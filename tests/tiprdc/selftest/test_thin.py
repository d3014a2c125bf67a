"""Thin leaks: no column shows them, and a known attacker's curve rises slowly to the Bayes rate."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression, RidgeClassifier

from tiprdc.errors import ConfigError
from tiprdc.selftest.fixtures import FIXTURES
from tiprdc.selftest.thin import SPREAD_WIDTH, WIDTH, Spread

SPREAD = Spread()


def draws(name: str, accuracy: float, *people: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(5)
    return [FIXTURES[name].draw(number, accuracy, rng) for number in people]


def test_no_column_and_no_product_of_thin_shows_the_signal() -> None:
    """At accuracy 1 the 64 products together show all of it."""
    ((z, u),) = draws("thin", 1.0, 20_000)
    sign = 2 * u - 1
    error = 1 / len(u) ** 0.5
    assert np.abs((z * sign[:, None]).mean(0)).max() < 5 * error
    products = z[:, ::2] * z[:, 1::2]
    # A product's mean given the sign of their sum: E|sum| / 64, sum being about normal.
    shown = (products * sign[:, None]).mean(0)
    expected = np.sqrt(2 / np.pi) / np.sqrt(WIDTH / 2)
    assert shown.mean() == pytest.approx(expected, rel=0.02)
    assert shown.max() < expected + 5 * error
    assert np.mean(FIXTURES["thin"].predict(z) == u) == 1.0


def test_thin_columns_stay_standard_normal_in_both_classes() -> None:
    ((z, u),) = draws("thin", 0.8, 20_000)
    for k in (0, 1):
        part = z[u == k]
        assert np.abs(part.mean(0)).max() < 5 / len(part) ** 0.5
        assert part.std(0) == pytest.approx(1, abs=5 / len(part) ** 0.5)


def test_linear_attacker_sees_nothing_of_thin_and_its_products_everything() -> None:
    (z, u), (others, truth) = draws("thin", 0.8, 20_000, 10_000)
    linear = RidgeClassifier().fit(z, u).score(others, truth)
    assert linear == pytest.approx(0.5, abs=4 * 0.5 / 100)
    products, of_others = (x[:, ::2] * x[:, 1::2] for x in (z, others))
    known = LogisticRegression().fit(products, u).score(of_others, truth)
    assert known == pytest.approx(0.8, abs=0.02)


def test_wide_has_the_columns_of_thin_and_no_signal() -> None:
    (z, u), (others, truth) = draws("wide", 0.8, 10_000, 10_000)
    assert z.shape[1] == draws("thin", 0.8, 10)[0][0].shape[1] == WIDTH
    products, of_others = (x[:, ::2] * x[:, 1::2] for x in (z, others))
    found = LogisticRegression().fit(products, u).score(of_others, truth)
    assert found == pytest.approx(0.5, abs=4 * 0.5 / 100)


@pytest.mark.parametrize("people", [500, 4000, 16_000])
def test_curve_of_spread_rises_as_stated(people: int) -> None:
    """A discriminant that estimates the class means and nothing else."""
    (z, u), (others, truth) = draws("spread", 0.65, people, 10_000)
    direction = z[u == 1].mean(0) - z[u == 0].mean(0)
    threshold = z.mean(0) @ direction
    found = np.mean((others @ direction > threshold) == truth)
    assert found == pytest.approx(SPREAD.expected(0.65, people), abs=4 * 0.5 / 100)


def test_curve_of_spread_ends_at_the_bayes_rate() -> None:
    rates = [SPREAD.expected(0.65, 10**k) for k in range(2, 9)]
    assert rates == sorted(rates)
    assert rates[0] < 0.53
    assert rates[-1] == pytest.approx(SPREAD.bayes(0.65), abs=1e-3)
    assert SPREAD.expected(0.5, 1000) == SPREAD.bayes(0.5) == 0.5


def test_one_column_of_spread_shows_next_to_nothing() -> None:
    ((z, u),) = draws("spread", 0.65, 20_000)
    alone = [max(np.mean((z[:, n] > 0) == u), np.mean((z[:, n] < 0) == u)) for n in range(0, 64)]
    expected = stats.norm.cdf(stats.norm.ppf(0.65) / SPREAD_WIDTH**0.5)
    assert expected < 0.507
    assert np.mean(alone) == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize("accuracy", [0.49, 1.0])
def test_rate_without_finite_means_is_refused(accuracy: float) -> None:
    with pytest.raises(ConfigError, match="accuracy"):
        SPREAD.draw(10, accuracy, np.random.default_rng(0))
