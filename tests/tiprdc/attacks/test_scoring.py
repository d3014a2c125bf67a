"""Controls: the record itself is recognised, a constant is not, and a failed attack raises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tiprdc.attacks.scoring import Score, score
from tiprdc.datasets.schema import SPLITS, Records, Schema, Split, read_split

MakeShards = Callable[..., Schema]
Parts = dict[Split, Records]
ATTACKS = ("logistic_regression", "kernel")


@pytest.fixture
def parts(tmp_path: Path, make_shards: MakeShards) -> Parts:
    schema = make_shards(tmp_path, "table", people=300)
    return {split: read_split(tmp_path, schema, split) for split in SPLITS}


def scored(represent: Callable[[Records], NDArray[Any]], parts: Parts, *names: str) -> Score:
    z_by_split = {split: represent(part) for split, part in parts.items()}
    return score(names or ATTACKS, (0,), z_by_split, parts, "secret", 2)


def test_record_itself_is_recognised(parts: Parts) -> None:
    result = scored(lambda part: part.x, parts)
    assert result.balanced.low > 0.95
    assert result.plain.low > 0.95


def test_constant_features_score_at_chance(parts: Parts) -> None:
    result = scored(lambda part: np.zeros((len(part), 3), np.float32), parts)
    assert result.balanced.value == 0.5
    assert result.balanced.low < 0.5 < result.balanced.high


def test_plain_accuracy_follows_class_frequencies_and_balanced_does_not(parts: Parts) -> None:
    """Where one class is four times as frequent, guessing it is right in 4 of 5."""

    def rare(part: Records) -> Records:
        secret = part.labels["secret"]
        return part.take(np.flatnonzero((secret == 0) | (np.cumsum(secret) % 4 == 0)))

    few = {split: rare(part) for split, part in parts.items()}
    result = scored(lambda part: np.zeros((len(part), 3), np.float32), few)
    assert result.balanced.value == 0.5
    assert result.plain.value > 0.75


def test_failed_attack_raises(parts: Parts) -> None:
    with pytest.raises(RuntimeError, match="logistic_regression failed: ValueError"):
        scored(lambda part: np.full((len(part), 3), np.nan), parts)


def test_attacks_of_another_kind_are_left_out(parts: Parts) -> None:
    tokens: Callable[[Records], NDArray[Any]] = lambda part: part.x.astype(np.int32)  # noqa: E731
    assert scored(tokens, parts, "kernel", "bag_of_tokens").attack == "bag_of_tokens"
    with pytest.raises(ValueError, match="none of kernel can read text records"):
        scored(tokens, parts, "kernel")


def test_record_attacks_are_left_out_without_records(parts: Parts) -> None:
    z_by_split = {split: part.x for split, part in parts.items()}
    names = ("logistic_regression", "decensoring")

    def selected(**records: NDArray[Any]) -> str:
        return score(
            names[1:] if records else names, (0,), z_by_split, parts, "secret", 2, **records
        ).attack

    assert selected() == "logistic_regression"
    assert selected(x=parts["attacker-train"].x) == "decensoring"
    with pytest.raises(ValueError, match="none of decensoring"):
        score(names[1:], (0,), z_by_split, parts, "secret", 2)
