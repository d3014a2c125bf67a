"""The Bayes rule reaches the stated Bayes rate, and no attacker reaches more."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from tiprdc.errors import ConfigError
from tiprdc.selftest import columns
from tiprdc.selftest.base import HIDDEN
from tiprdc.selftest.erased import _draw_unerased, _leace_layer, _mixing
from tiprdc.selftest.fixtures import FIXTURES

PEOPLE = 40_000
LEAKS = [name for name in FIXTURES if name not in ("independent", "erased")]
FLAT = [name for name, fixture in FIXTURES.items() if fixture.kind == "flat"]


def rate(name: str, accuracy: float, people: int = PEOPLE) -> float:
    z, u = FIXTURES[name].draw(people, accuracy, np.random.default_rng(3))
    return float(np.mean(FIXTURES[name].predict(z) == u))


@pytest.mark.parametrize("accuracy", [0.515, 0.6, 0.8])
@pytest.mark.parametrize("name", LEAKS)
def test_bayes_rule_reaches_the_stated_rate(name: str, accuracy: float) -> None:
    """Four standard errors of a Monte Carlo of the Bayes rule."""
    people = 6000 if name == "pattern" else PEOPLE
    assert FIXTURES[name].bayes(accuracy) == accuracy
    error = (accuracy * (1 - accuracy) / people) ** 0.5
    assert rate(name, accuracy, people) == pytest.approx(accuracy, abs=4 * error)


@pytest.mark.parametrize("name", LEAKS)
def test_signal_is_read_without_error(name: str) -> None:
    """So no rule does better: given the signal, z carries no more about u."""
    assert rate(name, 1.0, 3000) == 1.0


@pytest.mark.parametrize("name", ["independent", "erased"])
def test_without_a_leak_the_bayes_rate_is_chance(name: str) -> None:
    assert rate(name, 0.9) == 0.5
    assert FIXTURES[name].bayes(0.9) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("name", ["xor", "parity", "norm", "cluster", "ring"])
def test_linear_attacker_misses_nonlinear_leaks(name: str) -> None:
    rng = np.random.default_rng(0)
    (z, u), (others, truth) = (FIXTURES[name].draw(PEOPLE, 1.0, rng) for _ in range(2))
    predicted = LogisticRegression().fit(z, u).predict(others)
    assert np.mean(predicted == truth) == pytest.approx(0.5, abs=0.012)


@pytest.mark.parametrize("bits", [2, 3])
def test_fewer_columns_than_the_parity_carry_no_signal(bits: int) -> None:
    z, u = FIXTURES["xor" if bits == 2 else "parity"].draw(PEOPLE, 1.0, np.random.default_rng(0))
    cells = (z[:, : bits - 1] > 0) @ (2 ** np.arange(bits - 1))
    shares = [u[cells == cell].mean() for cell in np.unique(cells)]
    assert np.allclose(shares, 0.5, atol=0.02)


def test_exposed_share_is_as_stated_and_others_carry_no_signal() -> None:
    z, u = FIXTURES["exposed"].draw(PEOPLE, 0.515, np.random.default_rng(0))
    exposed = columns.read_exposed(z) != HIDDEN
    assert np.mean(exposed) == pytest.approx(0.03, abs=0.004)
    assert (columns.read_exposed(z)[exposed] == u[exposed]).all()
    accuracy = LogisticRegression().fit(z[~exposed], u[~exposed]).score(z[~exposed], u[~exposed])
    assert accuracy == pytest.approx(0.5, abs=0.02)


def test_only_quantization_removes_the_low_order_digit() -> None:
    z, u = FIXTURES["digit"].draw(PEOPLE, 1.0, np.random.default_rng(0))
    assert np.mean(columns.read_digit(z) == u) == 1.0
    coarse = np.round(z, 2).astype(np.float32)
    assert np.mean(columns.read_digit(coarse) == u) == pytest.approx(0.5, abs=0.02)


def test_word_order_leaves_word_counts_unchanged() -> None:
    ids, u = FIXTURES["order"].draw(2000, 1.0, np.random.default_rng(0))
    counts = [[np.sum(ids[u == k] == word) for word in (1, 2)] for k in (0, 1)]
    assert counts[0] == counts[1] == [1000, 1000]


def test_erasure_removes_the_linear_leak() -> None:
    rng = np.random.default_rng(1)
    z, u = _draw_unerased(PEOPLE, 0.8, rng)
    before = LinearDiscriminantAnalysis().fit(z, u).score(z, u)
    assert before == pytest.approx(0.8, abs=0.01)
    erased, truth = FIXTURES["erased"].draw(PEOPLE, 0.8, rng)
    half = PEOPLE // 2
    classifier = LinearDiscriminantAnalysis(solver="eigen", shrinkage=1e-6)
    after = classifier.fit(erased[:half], truth[:half]).score(erased[half:], truth[half:])
    assert after < FIXTURES["erased"].bayes(0.8) + 4 * 0.5 / half**0.5


def test_rate_after_erasure_is_fishers_rate() -> None:
    """The closed form against the likelihood ratio of the two erased Gaussians, by Monte Carlo."""
    accuracy = 0.9
    layer = _leace_layer(accuracy)
    erase = (layer.inward.double() @ layer.outward.double()).numpy()
    delta = 2 * stats.norm.ppf(accuracy) * _mixing()[0] @ erase
    covariance = erase.T @ _mixing().T @ _mixing() @ erase
    direction = np.linalg.pinv(covariance, rcond=1e-9) @ delta
    z, u = _draw_unerased(1_000_000, accuracy, np.random.default_rng(2))
    score = z @ erase @ direction
    rate_by_draws = np.mean((score > 0) == u)
    assert FIXTURES["erased"].bayes(accuracy) == pytest.approx(rate_by_draws, abs=4 * 0.5 / 1000)
    assert 0.5 < FIXTURES["erased"].bayes(accuracy) < 0.52


def test_mixing_is_invertible() -> None:
    assert np.linalg.cond(_mixing()) < 30


@pytest.mark.parametrize("name", FIXTURES)
def test_classes_are_balanced_and_draws_are_deterministic(name: str) -> None:
    draws = [FIXTURES[name].draw(300, 0.7, np.random.default_rng(4)) for _ in range(2)]
    assert np.bincount(draws[0][1]).tolist() == [150, 150]
    for first, again in zip(*draws, strict=True):
        assert np.array_equal(first, again)


@pytest.mark.parametrize("name", FIXTURES)
def test_impossible_accuracy_is_refused(name: str) -> None:
    for accuracy in (0.4, 1.1):
        with pytest.raises(ConfigError, match="accuracy"):
            FIXTURES[name].draw(10, accuracy, np.random.default_rng(0))
        with pytest.raises(ConfigError, match="accuracy"):
            FIXTURES[name].bayes(accuracy)
