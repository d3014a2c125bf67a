"""Feasibility from labels alone, on planted correlations with known entropies and floors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tiprdc.datasets.avatars.reader import ATTRIBUTES, AvatarsConfig, draw_labels
from tiprdc.datasets.schema import SPLITS, Attribute, Schema
from tiprdc.training.feasibility import Pair, assess, entropy, infeasible, information


def _avatars(correlation: float, *, utility: tuple[str, ...] = ("smile",)) -> tuple[Pair, ...]:
    """Labels of 8,000 faces with a correlation between skin tone (private) and smile."""
    labels = draw_labels(AvatarsConfig(people=8000, correlation=correlation), seed=0)
    schema = Schema(
        dataset="avatars", modality="image", shape=(3, 32, 32),
        attributes=tuple(Attribute(name=n, classes=tuple(ATTRIBUTES[n])) for n in labels.columns),
        private=("skin_tone",), utility=utility,
        people=dict.fromkeys(SPLITS, 8000), records=dict.fromkeys(SPLITS, 8000),
    )  # fmt: skip
    columns = {name: labels[name].to_numpy(np.int64) for name in labels}
    return assess(columns, np.arange(8000).astype(np.str_), schema, budget=0.1)


def _bits(*shares: float) -> float:
    return -sum(p * math.log2(p) for p in shares if p)


@pytest.mark.parametrize("correlation", [0.0, 0.15, 0.3, -0.3, 0.8, 1.0])
def test_planted_correlation_has_its_known_bits_and_floor(
    correlation: float,
) -> None:
    (pair,) = _avatars(correlation)
    agree = (1 + correlation) / 2
    assert pair.entropy_private == pytest.approx(1, abs=0.002)
    assert pair.information == pytest.approx(1 - _bits(agree, 1 - agree), abs=0.015)
    assert pair.max_task_bits == pytest.approx(_bits(agree, 1 - agree), abs=0.015)
    assert pair.floor.low <= max(agree, 1 - agree) + 1e-9
    assert pair.floor.high >= max(agree, 1 - agree) - 1e-9
    assert pair.limit == 0.6
    assert pair.feasible == (abs(correlation) < 0.2)


def test_message_contains_the_figures() -> None:
    (pair,) = _avatars(0.5)
    text = str(pair)
    assert text.startswith("hiding skin_tone and keeping smile whole cannot both be met")
    assert f"{pair.floor.value:.3f} (95 % bounds" in text
    assert "0.600 is allowed" in text
    assert f"{pair.information:.3f} of the 1.000 bits of skin_tone (8,000 people" in text
    assert "can, by the labels, both be met" in str(_avatars(0.0)[0])


def test_joint_tasks_are_reported_only_without_an_infeasible_single_task() -> None:
    utility = ("smile", "glasses", "hair_tone")
    pairs = _avatars(0.5, utility=utility)
    assert [pair.tasks for pair in pairs] == [("smile",), ("glasses",), ("hair_tone",), utility]
    assert [pair.tasks for pair in infeasible(pairs)] == [("smile",)]
    assert infeasible(_avatars(0.0, utility=utility)) == ()


def test_joint_tasks_that_predict_only_together_are_found() -> None:
    """u is y XOR w: neither predicts it, both determine it."""
    rng = np.random.default_rng(0)
    y, w = rng.integers(2, size=(2, 4000))
    schema = _schema(private=("u",), utility=("y", "w"), classes=2)
    pairs = assess({"u": y ^ w, "y": y, "w": w}, np.arange(4000).astype(np.str_), schema, 0.1)
    (pair,) = infeasible(pairs)
    assert pair.tasks == ("y", "w")
    assert pair.floor.value == 1
    assert pair.information == pytest.approx(1, abs=0.01)
    assert "keeping y and w whole" in str(pair)


def _schema(*, private: tuple[str, ...], utility: tuple[str, ...], classes: int) -> Schema:
    names = tuple(str(n) for n in range(classes))
    return Schema(
        dataset="planted", modality="table", shape=(1,),
        attributes=tuple(Attribute(name=n, classes=names) for n in (*private, *utility)),
        private=private, utility=utility,
        people=dict.fromkeys(SPLITS, 0), records=dict.fromkeys(SPLITS, 0),
    )  # fmt: skip


def test_records_of_one_person_count_once() -> None:
    """2,000 records of 50 people give the interval of 50 people."""
    rng = np.random.default_rng(0)
    u, y = rng.permuted(np.arange(50) % 2), rng.integers(2, size=50)
    person = np.repeat(np.arange(50), 40).astype(np.str_)
    schema = _schema(private=("u",), utility=("y",), classes=2)
    (pair,) = assess({"u": np.repeat(u, 40), "y": np.repeat(y, 40)}, person, schema, 0.1)
    assert pair.people == 50
    assert pair.floor.high - pair.floor.low > 0.2


@pytest.mark.parametrize("others", [98, 99])
def test_class_of_one_person_is_too_small_for_a_verdict(others: int) -> None:
    u = np.array([0] * others + [1])
    schema = _schema(private=("u",), utility=("y",), classes=2)
    (pair,) = assess({"u": u, "y": u}, np.arange(others + 1).astype(np.str_), schema, 0.1)
    assert pair.feasible
    assert pair.floor.high - pair.floor.low > 0.7


def test_task_with_less_information_has_a_lower_floor() -> None:
    """Three classes: a task that identifies one of them gives a floor of two thirds."""
    u = np.arange(6000) % 3
    schema = _schema(private=("u",), utility=("y",), classes=3)
    labels = {"u": u, "y": (u == 2).astype(np.int64)}
    (pair,) = assess(
        labels, np.random.default_rng(0).permutation(6000).astype(np.str_), schema, 0.1
    )
    assert pair.floor.value == pytest.approx(2 / 3, abs=0.02)
    assert pair.information == pytest.approx(_bits(1 / 3, 2 / 3), abs=0.01)
    assert pair.limit == pytest.approx(1 / 3 + 0.1)
    assert replace(pair, limit=0.7).feasible


def _independent(seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    return rng.integers(4, size=200), rng.integers(6, size=200)


def test_subtracted_bias_equals_the_actual_bias() -> None:
    """Over many samples of independent labels the plug-in estimate exceeds 0 by the bias."""
    estimates = []
    for seed in range(300):
        u, y = _independent(seed)
        _, bias = information(u, y)
        plug_in = _plug_in(u) + _plug_in(y) - _plug_in(6 * u + y)
        estimates.append((plug_in, bias))
    plug_in, bias = np.mean(estimates, axis=0)
    assert bias == pytest.approx(15 / (2 * 200 * math.log(2)), rel=0.02)
    assert plug_in == pytest.approx(bias, rel=0.1)


def _plug_in(values: NDArray[np.int64]) -> float:
    shares = np.bincount(values) / len(values)
    return _bits(*shares)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=2, max_size=60))
def test_information_is_symmetric_and_not_negative(labels: list[tuple[int, int]]) -> None:
    u, y = np.array(labels, dtype=np.int64).T
    bits, _ = information(u, y)
    assert bits == pytest.approx(information(y, u)[0])
    assert bits >= 0
    assert information(u, np.zeros_like(u))[0] == pytest.approx(0)
    assert information(u, u)[0] == pytest.approx(entropy(u))
