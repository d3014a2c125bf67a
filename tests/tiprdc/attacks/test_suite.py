"""Each attack detects the leaks it is expansion for, and scores at chance where there is none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.helpers.attack_trials import try_one
from tiprdc.attacks import suite
from tiprdc.attacks.base import Attacker, TrainingSet, kind_of
from tiprdc.attacks.families.quadratic import MAX_MULTIPLIED, expand
from tiprdc.errors import ConfigError
from tiprdc.selftest.fixtures import FIXTURES

Planted = Callable[[np.random.Generator, NDArray[np.int64]], NDArray[np.float32]]
FLAT = [
    name
    for name, attack in suite.ATTACKS.items()
    if "flat" in attack.kinds and not attack.needs_records
]
NONLINEAR = [name for name in FLAT if name != "logistic_regression"]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def noise(rng: np.random.Generator, people: int, width: int = 6) -> NDArray[np.float32]:
    return rng.normal(size=(people, width)).astype(np.float32)


def linear(rng: np.random.Generator, u: NDArray[np.int64]) -> NDArray[np.float32]:
    z = noise(rng, len(u))
    z[:, 2] += 2.5 * u
    return z


def faint(rng: np.random.Generator, u: NDArray[np.int64]) -> NDArray[np.float32]:
    """In a direction of a thousandth of the variance, which standardising does not amplify."""
    z = noise(rng, len(u))
    z[:, 1] = z[:, 0] + 0.03 * (rng.normal(size=len(u)) + 3 * u)
    return z


def xor(rng: np.random.Generator, u: NDArray[np.int64]) -> NDArray[np.float32]:
    z = noise(rng, len(u), 3)
    a = rng.integers(2, size=len(u))
    z[:, 0] = np.abs(z[:, 0]) * (2 * a - 1) + (a - 0.5)
    z[:, 1] = np.abs(z[:, 1]) * (2 * (a ^ u) - 1) + ((a ^ u) - 0.5)
    return z


def norm(rng: np.random.Generator, u: NDArray[np.int64]) -> NDArray[np.float32]:
    z = noise(rng, len(u), 4)
    length = np.linalg.norm(z, axis=1, keepdims=True) / (1 + 1.5 * u[:, None])
    return np.asarray(z / length, dtype=np.float32)


def cluster(rng: np.random.Generator, u: NDArray[np.int64]) -> NDArray[np.float32]:
    centres = 4 * np.random.default_rng(7).normal(size=(8, 4))
    which = 2 * rng.integers(4, size=len(u)) + u
    return np.asarray(centres[which] + noise(rng, len(u), 4), dtype=np.float32)


def scored(
    name: str, plant: Planted, classes: int = 2, share: float = 0.5, people: int = 900
) -> float:
    rng = np.random.default_rng(3)
    u = rng.choice(classes, size=people, p=None if classes > 2 else (1 - share, share))
    z, half = plant(rng, u), people * 2 // 3
    trial = try_one(name, (z[:half], u[:half]), (z[half:], u[half:]), classes)
    assert trial.status == "ok"
    assert trial.select is not None
    return trial.select


@pytest.mark.parametrize("name", FLAT)
def test_every_attack_detects_a_linear_leak(name: str) -> None:
    assert scored(name, linear) > 0.8


@pytest.mark.parametrize("name", ["logistic_regression", "kernel", "mlp"])
def test_leak_in_a_direction_of_small_variance_is_detected(name: str) -> None:
    assert scored(name, faint) > 0.8


@pytest.mark.parametrize("plant", [xor, norm, cluster])
@pytest.mark.parametrize("name", NONLINEAR)
def test_every_nonlinear_attack_detects_a_nonlinear_leak(name: str, plant: Planted) -> None:
    assert scored(name, plant) > (0.7 if name in ("cnn", "nearest_neighbours") else 0.8)


@pytest.mark.parametrize("name", ["xor", "norm", "cluster"])
def test_quadratic_attack_detects_a_faint_product(name: str) -> None:
    """At a Bayes rate of 0.55, which the kernel attack misses."""
    rng = np.random.default_rng(0)
    train, select = (FIXTURES[name].draw(people, 0.55, rng) for people in (8000, 20_000))
    assert (try_one("quadratic", train, select, 2).select or 0) > 0.525


def test_products_are_of_the_columns_of_largest_variance() -> None:
    z = noise(np.random.default_rng(0), 300, 80) * np.arange(1, 81, dtype=np.float32)
    expansion = expand(z, 0)
    assert expansion(z).shape == (300, 80 + MAX_MULTIPLIED * (MAX_MULTIPLIED + 1) // 2)
    assert expansion.scaling(z).var(0)[expansion.multiplied].min() >= np.delete(
        expansion.scaling(z).var(0), expansion.multiplied
    ).max()  # fmt: skip


@pytest.mark.parametrize("plant", [xor, norm])
def test_linear_attack_misses_nonlinear_leaks(plant: Planted) -> None:
    assert scored("logistic_regression", plant) < 0.6


@pytest.mark.parametrize("name", FLAT)
def test_independent_features_leave_the_prior(name: str) -> None:
    assert abs(scored(name, lambda rng, u: noise(rng, len(u)), people=1800) - 0.5) < 0.07


@pytest.mark.parametrize("name", FLAT)
def test_constant_features_leave_exactly_the_prior(name: str) -> None:
    assert scored(name, lambda rng, u: np.ones((len(u), 5), np.float32)) == 0.5


@pytest.mark.parametrize("name", FLAT)
def test_attribute_itself_is_recognised_fully(name: str) -> None:
    assert scored(name, lambda rng, u: np.eye(3, dtype=np.float32)[u], classes=3) == 1


@pytest.mark.parametrize("name", FLAT)
def test_rare_class_counts_as_much(name: str) -> None:
    """At one person in eight, p(k | z) alone would hardly ever predict the rare class."""
    assert scored(name, linear, share=0.125, people=1800) > 0.8


@pytest.mark.parametrize("name", FLAT)
def test_same_seed_gives_same_bits(name: str) -> None:
    rng = np.random.default_rng(0)
    u = rng.integers(2, size=200)
    z = linear(rng, u)
    probabilities = [suite.ATTACKS[name].fit(z, u, 2, 5, 2).probabilities(z) for _ in range(2)]
    assert np.array_equal(probabilities[0], probabilities[1])
    assert np.allclose(probabilities[0].sum(1), 1)


def test_a_budget_compares_configurations_on_sparse_counts() -> None:
    """The counts of tokens are a sparse array, which has no length."""
    rng = np.random.default_rng(0)
    u = rng.integers(2, size=120)
    ids = rng.integers(1, 20, size=(120, 6)).astype(np.int32)
    ids[:, 2] = 20 + u
    trial = try_one("bag_of_tokens", (ids[:80], u[:80]), (ids[80:], u[80:]), 2, budget=2)
    assert (trial.status, trial.select) == ("ok", 1.0)


@pytest.mark.parametrize("name", FLAT)
def test_more_columns_than_people_and_an_empty_class(name: str) -> None:
    rng = np.random.default_rng(0)
    u = rng.integers(2, size=60)
    z = noise(rng, 60, 90)
    probabilities = suite.ATTACKS[name].fit(z, u, 3, 0, 2).probabilities(z)
    assert probabilities.shape == (60, 3)
    assert np.isfinite(probabilities).all()


@pytest.mark.parametrize("name", FLAT)
def test_read_only_arrays_are_accepted(name: str) -> None:
    """Ray passes read-only arrays, and torch warns of them."""
    rng = np.random.default_rng(0)
    u = rng.integers(2, size=80)
    z = noise(rng, 80)
    for array in (u, z):
        array.flags.writeable = False
    assert try_one(name, (z, u), (z, u), 2).status == "ok"


def test_word_order_and_words_are_detected_in_text() -> None:
    rng = np.random.default_rng(0)
    u = rng.integers(2, size=900)
    ids = rng.integers(3, 30, size=(900, 12)).astype(np.int32)
    place = rng.integers(11, size=900)
    for row in range(900):
        ids[row, place[row] : place[row] + 2] = (1, 2) if u[row] else (2, 1)
    ids[:, -1] = 0
    parts = (ids[:600], u[:600]), (ids[600:], u[600:])
    assert kind_of(ids) == "text"
    ordered = try_one("gru", *parts, 2, budget=1)
    assert (ordered.select or 0) > 0.8
    unordered = try_one("bag_of_tokens", *parts, 2)
    assert (unordered.select or 1) < 0.65
    ids[:, 0] = np.where(u == 1, 40, 41)
    assert try_one("bag_of_tokens", *parts, 2).select == 1


def test_unknown_and_empty_text_gets_finite_probabilities() -> None:
    rng = np.random.default_rng(0)
    ids, u = rng.integers(0, 9, size=(80, 7)).astype(np.int32), np.arange(80) % 2
    other = np.array([[0] * 7, [99] * 7], dtype=np.int32)
    for name in ("gru", "bag_of_tokens"):
        assert np.isfinite(suite.ATTACKS[name].fit(ids, u, 2, 0, 1).probabilities(other)).all()


def test_spatial_pattern_is_detected_in_pictures() -> None:
    rng = np.random.default_rng(0)
    u = rng.integers(2, size=600)
    x = rng.integers(0, 200, size=(600, 3, 16, 16)).astype(np.uint8)
    for row, line in enumerate(rng.integers(2, 14, size=600)):
        (x[row].swapaxes(1, 2) if u[row] else x[row])[:, line : line + 2] = 255
    assert kind_of(x) == "picture"
    trial = try_one("cnn", (x[:450], u[:450]), (x[450:], u[450:]), 2)
    assert (trial.select or 0) > 0.8


def test_failed_attack_is_reported_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    z, u = np.zeros((20, 2), np.float32), np.arange(20) % 2
    z[3, 1] = np.nan
    trial = try_one("mlp", (z, u), (z, u), 2)
    assert trial.attacker is None
    assert trial.select is None
    assert trial.status.startswith("failed: ValueError: the representation contains NaN")

    def nan_posterior(self: Attacker, z: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.full((len(z), 2), np.nan)

    monkeypatch.setattr("tiprdc.attacks.families.kernel.KernelAttacker.posterior", nan_posterior)
    z = noise(np.random.default_rng(0), 20)
    assert "gives NaN" in try_one("kernel", (z, u), (z, u), 2).status


def test_strongest_raises_if_an_attack_failed() -> None:
    z, u = np.full((20, 2), np.inf, np.float32), np.arange(20) % 2
    with pytest.raises(RuntimeError, match="mlp failed"):
        suite.strongest(("mlp",), (z, u), (z, u), 2)


def test_strongest_is_the_best_applicable_attack() -> None:
    rng = np.random.default_rng(0)
    u = rng.integers(2, size=600)
    z = xor(rng, u)
    train, select = (z[:400], u[:400]), (z[400:], u[400:])
    best, score = suite.strongest(("logistic_regression", "gru", "kernel"), train, select, 2)
    assert best == "kernel"
    assert score > 0.8


def known(people: int) -> TrainingSet:
    """Three attributes, of which the second shows in z and the third has a rare class."""
    rng = np.random.default_rng(0)
    labels = {name: rng.integers(2, size=people) for name in ("private", "task", "rare")}
    labels["rare"][:] = 0
    labels["rare"][-1] = 1
    z = linear(rng, labels["task"])
    return TrainingSet(z=z, labels=labels, classes=dict.fromkeys(labels, 2), x=z)


@pytest.mark.parametrize("name", ["logistic_regression", "decensoring"])
def test_one_call_serves_several_targets(name: str) -> None:
    everyone = known(600)
    data, select = everyone.take(np.arange(400)), everyone.take(np.arange(400, 600))
    trials = suite.try_attack(name, data, ("private", "task"), select.z, select.labels)
    assert list(trials) == ["private", "task"]
    assert (trials["task"].select or 0) > 0.8
    assert (trials["private"].select or 1) < 0.62
    assert {trial.people for trial in trials.values()} == {400}


def test_random_subset_has_every_class(monkeypatch: pytest.MonkeyPatch) -> None:
    data = known(400)
    parts: list[TrainingSet] = []
    attack = suite.ATTACKS["quadratic"]
    monkeypatch.setattr(type(attack), "most_records", 50)

    def fit_targets(part: TrainingSet, *_: object) -> dict[str, Attacker]:
        parts.append(part)
        raise MemoryError("no room")

    monkeypatch.setattr(attack, "fit_targets", fit_targets)
    for seed in (0, 0, 1):
        trials = suite.try_attack("quadratic", data, ("task", "rare"), data.z, data.labels, seed)
        assert {trial.status for trial in trials.values()} == {"failed: MemoryError: no room"}
        assert {trial.people for trial in trials.values()} == {0}
    assert [len(part) for part in parts] == [50] * 6
    assert parts[1].labels["rare"].sum() == 1
    assert parts[1].x is not None
    assert np.array_equal(parts[1].x, parts[1].z)
    assert np.array_equal(parts[0].z, parts[2].z)
    assert not np.array_equal(parts[0].z, parts[4].z)


def test_a_failed_target_leaves_the_others() -> None:
    data = known(400)
    trials = suite.try_attack("kernel", data, ("task", "unknown"), data.z, data.labels)
    assert trials["task"].status == "ok"
    assert trials["unknown"].status == "failed: KeyError: ..."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "could not convert string to float: 'Anna Smith'",
            "could not convert string to float: ...",
        ),
        ('bad "she wrote\nto me"', "bad ..."),
        ("x has the value -57.25e3 in row 12", "x has the value ... in row ..."),
        ("the l2 norm is NaN", "the l2 norm is NaN"),
    ],
)
def test_value_in_a_librarys_error_is_not_in_the_status(
    monkeypatch: pytest.MonkeyPatch, text: str, shown: str
) -> None:
    def fit_targets(*_: object) -> dict[str, Attacker]:
        raise ValueError(text)

    monkeypatch.setattr(suite.ATTACKS["mlp"], "fit_targets", fit_targets)
    data = known(40)
    trial = suite.try_attack("mlp", data, ("task",), data.z, data.labels)["task"]
    assert trial.status == f"failed: ValueError: {shown}"


def test_misspelt_attack_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean 'kernel'"):
        suite.attack_named("kernell", "audit.attacks")
