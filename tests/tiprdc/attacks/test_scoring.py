"""Controls: the record itself is recognised, a constant is not, and a failure is no success."""

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


def attacked(z: Callable[[Records], NDArray[Any]], parts: Parts, *names: str) -> Score:
    sent = {split: z(part) for split, part in parts.items()}
    return score(names or ATTACKS, (0,), sent, parts, "secret", 2)


def test_the_record_is_recognised(parts: Parts) -> None:
    found = attacked(lambda part: part.x, parts)
    assert found.balanced.low > 0.95
    assert found.plain.low > 0.95


def test_a_constant_is_worth_a_guess(parts: Parts) -> None:
    found = attacked(lambda part: np.zeros((len(part), 3), np.float32), parts)
    assert found.balanced.value == 0.5
    assert found.balanced.low < 0.5 < found.balanced.high


def test_plain_accuracy_follows_the_shares_and_balanced_does_not(parts: Parts) -> None:
    """Where one class is four times as frequent, guessing it is right in 4 of 5."""

    def rare(part: Records) -> Records:
        secret = part.labels["secret"]
        return part.take(np.flatnonzero((secret == 0) | (np.cumsum(secret) % 4 == 0)))

    few = {split: rare(part) for split, part in parts.items()}
    found = attacked(lambda part: np.zeros((len(part), 3), np.float32), few)
    assert found.balanced.value == 0.5
    assert found.plain.value > 0.75


def test_a_failed_attack_is_no_private_method(parts: Parts) -> None:
    with pytest.raises(RuntimeError, match="logistic_regression failed: ValueError"):
        attacked(lambda part: np.full((len(part), 3), np.nan), parts)


def test_attacks_that_cannot_read_the_records_are_left_out(parts: Parts) -> None:
    tokens: Callable[[Records], NDArray[Any]] = lambda part: part.x.astype(np.int32)  # noqa: E731
    assert attacked(tokens, parts, "kernel", "bag_of_tokens").attack == "bag_of_tokens"
    with pytest.raises(ValueError, match="none of kernel can read text records"):
        attacked(tokens, parts, "kernel")


def test_attacks_that_hold_records_are_left_out_where_there_are_none(parts: Parts) -> None:
    sent = {split: part.x for split, part in parts.items()}
    names = ("logistic_regression", "decensoring")

    def found(**held: NDArray[Any]) -> str:
        return score(names[1:] if held else names, (0,), sent, parts, "secret", 2, **held).attack

    assert found() == "logistic_regression"
    assert found(x=parts["attacker-train"].x) == "decensoring"
    with pytest.raises(ValueError, match="none of decensoring"):
        score(names[1:], (0,), sent, parts, "secret", 2)
