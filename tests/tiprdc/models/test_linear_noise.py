"""Trivial alternatives: white, erased, repeatable, and no wider than the records allow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from tiprdc.models.linear_noise import LINEAR_METHODS, LinearMethod, fit_alternative, with_noise


def columns(people: int = 2000, width: int = 12) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Correlated columns, the first of which depends on u."""
    rng = np.random.default_rng(0)
    u = rng.integers(2, size=people)
    z = rng.standard_normal((people, width))
    z[:, 0] += 2.0 * u
    return (z @ rng.standard_normal((width, width)) + 5).astype(np.float32), u


def records(kind: str, people: int = 300) -> NDArray[Any]:
    rng = np.random.default_rng(1)
    if kind == "picture":
        return rng.integers(0, 256, (people, 3, 48, 40), dtype=np.uint8)
    if kind == "text":
        return rng.integers(0, 50, (people, 12)).astype(np.int32)
    return rng.standard_normal((people, 9)).astype(np.float32)


def accuracy(z: NDArray[np.float32], u: NDArray[np.int64]) -> float:
    return float(LogisticRegression(max_iter=500).fit(z, u).score(z, u))


@pytest.mark.parametrize("kind", ["picture", "table", "text"])
@pytest.mark.parametrize("method", LINEAR_METHODS)
def test_features_of_every_kind_of_record_have_variance_one(
    method: LinearMethod, kind: str
) -> None:
    x, u = records(kind), np.arange(300) % 3
    alternative = fit_alternative(method, x, 6, u, 3, seed=0)
    z = alternative.features(x)
    assert z.shape == (300, 6) == (300, alternative.width)
    assert z.dtype == np.float32
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(z.std(0), 1, rtol=1e-3)
    # Another batch of the same records gives the same features.
    np.testing.assert_allclose(alternative.features(x[7:9]), z[7:9], atol=1e-4)


@pytest.mark.parametrize("method", ["pca", "leace"])
def test_components_are_uncorrelated_before_erasure(method: LinearMethod) -> None:
    x, u = columns()
    covariance = np.cov(fit_alternative(method, x, 8, u, 2, 0).features(x), rowvar=False)
    off = np.abs(covariance - np.eye(8)).max()
    # LEACE removes one direction of a white space, which correlates what remains.
    assert off < 1e-3 if method == "pca" else off > 1e-3


def test_strongest_components_come_first() -> None:
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((1000, 3)) * [1.0, 9.0, 3.0]).astype(np.float32)
    z = fit_alternative("pca", x, 2, None, (), 0).features(x)
    for feature, column in ((0, 1), (1, 2)):
        assert abs(np.corrcoef(z[:, feature], x[:, column])[0, 1]) > 0.99


def test_leace_leaves_nothing_linear_of_any_private_attribute() -> None:
    x, u = columns()
    other = (x[:, 3] > x[:, 3].mean()).astype(np.int64)
    whole = fit_alternative("pca", x, 12, None, (), 0).features(x)
    erased = fit_alternative("leace", x, 12, np.stack([u, other], 1), (2, 2), 0).features(x)
    for attribute in (u, other):
        assert accuracy(whole, attribute) > 0.8
        assert accuracy(erased, attribute) < 0.53
    only = fit_alternative("leace", x, 12, u, 2, 0).features(x)
    assert accuracy(only, u) < 0.53
    assert accuracy(only, other) > 0.8


def test_noise_has_its_size_and_its_seed() -> None:
    x, _ = columns()
    alternative = fit_alternative("pca", x, 8, None, (), 0)
    z = alternative.features(x)
    noisy = with_noise(z, 2.0, np.random.default_rng(3))
    assert (noisy - z).std() == pytest.approx(2.0, rel=0.02)
    assert np.array_equal(noisy, with_noise(z, 2.0, np.random.default_rng(3)))
    assert not np.array_equal(noisy, with_noise(z, 2.0, np.random.default_rng(4)))


@pytest.mark.parametrize("method", LINEAR_METHODS)
def test_same_arguments_give_the_same_features(method: LinearMethod) -> None:
    x, u = records("picture", 60), np.arange(60) % 2
    first, second = (fit_alternative(method, x, 4, u, 2, 5).features(x) for _ in range(2))
    assert np.array_equal(first, second)


def test_components_are_no_more_than_the_directions_of_the_records() -> None:
    x, _ = columns(width=5)
    wide = np.concatenate([x, x, np.full_like(x, 3.0)], axis=1)
    assert fit_alternative("pca", wide, 64, None, (), 0).features(wide).shape == (2000, 5)
    assert fit_alternative("projection", wide, 64, None, (), 0).width == 64


def test_constant_records_give_zeros() -> None:
    x = np.full((50, 4), 7, np.float32)
    for method in LINEAR_METHODS:
        z = fit_alternative(method, x, 3, np.arange(50) % 2, 2, 0).features(x)
        assert not z.any()


def test_unknown_tokens_and_padding_do_not_count() -> None:
    x = records("text")
    alternative = fit_alternative("pca", x, 5, None, (), 0)
    strange = np.where(x[:2] == 0, 10_000, x[:2]).astype(np.int32)
    np.testing.assert_array_equal(alternative.features(strange), alternative.features(x[:2]))


def test_wrong_arguments_are_refused() -> None:
    x, u = columns(100)
    with pytest.raises(ValueError, match="none of pca, leace, projection"):
        fit_alternative("ica", x, 4, u, 2, 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="leace needs the private attributes"):
        fit_alternative("leace", x, 4, None, 2, 0)
    with pytest.raises(ValueError, match="width of 1"):
        fit_alternative("pca", x, 0, None, 2, 0)
    with pytest.raises(ValueError, match="0 or more"):
        with_noise(x, -1.0, np.random.default_rng(0))
