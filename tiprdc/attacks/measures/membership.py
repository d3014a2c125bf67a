"""Membership inference: was a person in the extractor's training set?

Attackers learn to separate features of training people from features of fresh people. Their inputs
are the features and statistics of their position: the norm, and the distances to the mean and to
the nearest of some fresh people. The best attacker is selected on other people and scored once on
yet others: by AUC (chance: 0.5), and by the share of members detected at a threshold that one fresh
person in a hundred exceeds, set on people who are not scored. Training people and fresh people are
alike only where a seed divided them. So the same attack on the raw record is the control: what it
detects there is a difference between the people, not an effect of training.

Source: Shokri et al., "Membership Inference Attacks Against Machine Learning Models" (2017);
Carlini et al. (2022) for the low false-positive rate; DeLong et al. (1988) for the AUC's variance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from tiprdc.attacks.base import Attacker, TrainingSet
from tiprdc.attacks.measure import proportion
from tiprdc.attacks.scaling import whiten
from tiprdc.attacks.suite import try_attack
from tiprdc.formats.audit_report import Measure

MIN_PEOPLE = 200
"""Fewest training people, and fewest fresh people in each of the attackers' splits."""
MAX_MEMBERS = 6000
"""Most training people that are attacked."""
ATTACKS = ("logistic_regression", "gradient_boosting", "mlp")
FALSE_POSITIVES = 0.01
_NEAR = (1, 5, 20)
"""Ranks of the fresh people whose distances tell a position."""
_MAX_COLUMNS = 256
"""Most columns of features; the statistics of their position come on top."""


def membership(
    members: NDArray[Any],
    train: NDArray[Any],
    select: NDArray[Any],
    test: NDArray[Any],
    confidence: float,
    seed: int,
    representation: str,
) -> tuple[Measure, ...]:
    """AUC, and the share of members detected at a false-positive rate of 1 %.

    Args:
        members: Features `[M, ...]`, one record of each training person, in random order.
        train, select, test: Features of fresh people, one record a person.
        confidence: Of each one-sided bound.
        seed: Seed of the attackers.
        representation: Recorded in the figures.

    Returns:
        Empty where there are fewer than `MIN_PEOPLE` people of a kind.

    Raises:
        RuntimeError: An attacker failed.
    """
    # Half of attacker-train is the reference set only: nobody may be their own neighbour.
    reference, fresh = train[::2], [train[1::2], select, test]
    sizes = _split_sizes(len(members), [len(part) for part in fresh])
    if min(sizes) < MIN_PEOPLE // 2:
        return ()
    inputs = _PositionFeatures(reference, seed)
    ends = np.cumsum([0, *sizes])
    parts = []
    for number, part in enumerate(fresh):
        chosen_members = members[ends[number] : ends[number + 1]]
        z = inputs(np.concatenate([chosen_members, part[: sizes[number]]]))
        parts.append((z, np.repeat([1, 0], sizes[number])))
    attacker = _select_attacker(parts[0], parts[1], seed)
    (calibrated, is_member), (scored, truth) = (
        (_score(attacker, z), u) for z, u in (parts[1], parts[2])
    )
    low, value, high = auc(scored[truth == 1], scored[truth == 0], confidence)
    threshold = np.quantile(calibrated[is_member == 0], 1 - FALSE_POSITIVES, method="higher")
    detected = proportion(
        "members found at 1 % false alarms", scored[truth == 1] > threshold, confidence,
        baseline=FALSE_POSITIVES, representation=representation,
    )  # fmt: skip
    false_alarms = proportion(
        "false alarms at that threshold", scored[truth == 0] > threshold, confidence,
        baseline=None, representation=representation,
    )  # fmt: skip
    area = Measure(
        name="AUC of membership", about="", representation=representation, value=value, low=low,
        high=high, baseline=0.5, people=len(truth),
    )  # fmt: skip
    return area, detected, false_alarms


def auc(
    members: NDArray[np.float64], others: NDArray[np.float64], confidence: float
) -> tuple[float, float, float]:
    """The AUC between one-sided DeLong bounds (low, value, high); ties count half."""
    both = np.concatenate([members, others])
    ranks = stats.rankdata(both)
    m, n = len(members), len(others)
    value = (ranks[:m].sum() - m * (m + 1) / 2) / (m * n)
    # For each member the share of others below it; for each other the share of members above it.
    above = (ranks[:m] - stats.rankdata(members)) / n
    below = 1 - (ranks[m:] - stats.rankdata(others)) / m
    deviation = np.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / n)
    margin = float(stats.norm.ppf(confidence) * deviation)
    return float(max(0, value - margin)), float(value), float(min(1, value + margin))


class _PositionFeatures:
    """Scaled features with their norm and distances to a reference set of fresh people."""

    def __init__(self, reference: NDArray[Any], seed: int) -> None:
        self.scaling = whiten(reference, seed)
        scaled = self.scaling(reference).astype(np.float64)
        # In so many columns a tree visits nearly everybody, and more slowly.
        self.nearest = NearestNeighbors(n_neighbors=_NEAR[-1], algorithm="brute")
        self.nearest.fit(scaled[:, :_MAX_COLUMNS])
        self.mean = scaled.mean(0)

    def __call__(self, z: NDArray[Any]) -> NDArray[np.float32]:
        scaled = self.scaling(z).astype(np.float64)
        distances, _ = self.nearest.kneighbors(scaled[:, :_MAX_COLUMNS])
        position = [
            np.linalg.norm(scaled, axis=1)[:, None],
            np.linalg.norm(scaled - self.mean, axis=1)[:, None],
            distances[:, [near - 1 for near in _NEAR]],
        ]
        return np.concatenate([scaled[:, :_MAX_COLUMNS], *position], axis=1).astype(np.float32)


def _split_sizes(members: int, fresh: list[int]) -> list[int]:
    """Number of people of each kind in each split: as many members as fresh people."""
    share = min(1.0, members / sum(fresh))
    return [int(share * count) for count in fresh]


def _select_attacker(
    train: tuple[NDArray[Any], NDArray[np.int64]],
    select: tuple[NDArray[Any], NDArray[np.int64]],
    seed: int,
) -> Attacker:
    """The attacker of largest AUC on attacker-select."""
    data = TrainingSet(z=train[0], labels={"member": train[1]}, classes={"member": 2})
    best: tuple[float, Attacker] | None = None
    for name in ATTACKS:
        trial = try_attack(name, data, ("member",), select[0], {"member": select[1]}, seed)[
            "member"
        ]
        if trial.attacker is None:
            raise RuntimeError(f"{name} {trial.status}")
        scores = _score(trial.attacker, select[0])
        _, value, _ = auc(scores[select[1] == 1], scores[select[1] == 0], 0.95)
        if best is None or value > best[0]:
            best = value, trial.attacker
    assert best is not None
    return best[1]


def _score(attacker: Attacker, z: NDArray[Any]) -> NDArray[np.float64]:
    return attacker.probabilities(z)[:, 1]
