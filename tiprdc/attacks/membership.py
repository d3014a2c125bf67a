"""Membership: was a person among those that the extractor was trained on?

Attackers learn to tell features of training people from features of fresh people, on the features
themselves and on how they lie: their length, their distance to the middle and to the nearest of
some fresh people. The best is chosen on other people and scored once on yet others: AUC (a guess:
0.5), and the share of members found at a threshold that one fresh person in a hundred exceeds, set
on people on whom it is not scored. People of both kinds were drawn alike only where a seed divided
them; the same attack on the raw record is the control: what it finds there is a difference of the
people and none that the training made.

Source: Shokri et al., "Membership Inference Attacks Against Machine Learning Models" (2017);
Carlini et al. (2022) for the low false-positive rate; DeLong et al. (1988) for the AUC's variance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial import cKDTree

from tiprdc.attacks.base import Attacker
from tiprdc.attacks.measure import proportion
from tiprdc.attacks.scaling import whiten
from tiprdc.attacks.suite import try_attack
from tiprdc.formats.audit_report import Measure

FEWEST = 200
"""Training people, and fresh people in each of the attackers' splits."""
MOST = 6000
"""Training people that are looked at."""
ATTACKS = ("logistic_regression", "gradient_boosting", "mlp")
FALSE_POSITIVES = 0.01
_WIDEST = 256
"""Most columns of features beside those of how they lie."""


def membership(
    members: NDArray[Any],
    train: NDArray[Any],
    select: NDArray[Any],
    test: NDArray[Any],
    confidence: float,
    seed: int,
    representation: str,
) -> tuple[Measure, ...]:
    """AUC and the share of members found at one false alarm in a hundred.

    Args:
        members: Features `[M, ...]`, one record of each training person, in random order.
        train, select, test: Features of fresh people, one record a person.
        confidence: Of each one-sided bound.
        seed: Of the attackers.
        representation: Named in the figures.

    Returns:
        Nothing where there are fewer than `FEWEST` people of a kind.

    Raises:
        RuntimeError: An attacker failed.
    """
    # Half of attacker-train is only what others lie near to: nobody is near to himself.
    reference, fresh = train[::2], [train[1::2], select, test]
    sizes = _sizes(len(members), [len(part) for part in fresh])
    if min(sizes) < FEWEST // 2:
        return ()
    view = _View(reference, seed)
    ends = np.cumsum([0, *sizes])
    parts = []
    for number, part in enumerate(fresh):
        known = members[ends[number] : ends[number + 1]]
        z = view(np.concatenate([known, part[: sizes[number]]]))
        parts.append((z, np.repeat([1, 0], sizes[number])))
    attacker = _chosen(parts[0], parts[1], seed)
    (calibrated, is_member), (scored, truth) = (
        (_score(attacker, z), u) for z, u in (parts[1], parts[2])
    )
    low, value, high = auc(scored[truth == 1], scored[truth == 0], confidence)
    threshold = np.quantile(calibrated[is_member == 0], 1 - FALSE_POSITIVES, method="higher")
    found = proportion(
        "members found at 1 % false alarms", scored[truth == 1] > threshold, confidence,
        baseline=FALSE_POSITIVES, representation=representation,
    )  # fmt: skip
    false = proportion(
        "false alarms at that threshold", scored[truth == 0] > threshold, confidence,
        baseline=None, representation=representation,
    )  # fmt: skip
    area = Measure(
        name="AUC of membership", about="", representation=representation, value=value, low=low,
        high=high, baseline=0.5, people=len(truth),
    )  # fmt: skip
    return area, found, false


def auc(
    members: NDArray[np.float64], others: NDArray[np.float64], confidence: float
) -> tuple[float, float, float]:
    """One-sided DeLong bounds around the chance that a member scores higher; ties count half."""
    both = np.concatenate([members, others])
    ranks = stats.rankdata(both)
    m, n = len(members), len(others)
    value = (ranks[:m].sum() - m * (m + 1) / 2) / (m * n)
    # Each member's share of others below it, and each other's share of members above it.
    above = (ranks[:m] - stats.rankdata(members)) / n
    below = 1 - (ranks[m:] - stats.rankdata(others)) / m
    deviation = np.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / n)
    reach = float(stats.norm.ppf(confidence) * deviation)
    return float(max(0, value - reach)), float(value), float(min(1, value + reach))


class _View:
    """Features beside how they lie among fresh people."""

    def __init__(self, fresh: NDArray[Any], seed: int) -> None:
        self.scaling = whiten(fresh, seed)
        seen = self.scaling(fresh).astype(np.float64)
        self.tree = cKDTree(seen[:, :_WIDEST])
        self.middle = seen.mean(0)

    def __call__(self, z: NDArray[Any]) -> NDArray[np.float32]:
        seen = self.scaling(z).astype(np.float64)
        near, _ = self.tree.query(seen[:, :_WIDEST], k=[1, 5, 20])
        lying = [
            np.linalg.norm(seen, axis=1)[:, None],
            np.linalg.norm(seen - self.middle, axis=1)[:, None],
            np.asarray(near),
        ]
        return np.concatenate([seen[:, :_WIDEST], *lying], axis=1).astype(np.float32)


def _sizes(members: int, fresh: list[int]) -> list[int]:
    """How many of each kind in each split: as many members as fresh people."""
    each = min(1.0, members / sum(fresh))
    return [int(each * count) for count in fresh]


def _chosen(
    train: tuple[NDArray[Any], NDArray[np.int64]],
    select: tuple[NDArray[Any], NDArray[np.int64]],
    seed: int,
) -> Attacker:
    """The attacker with the largest AUC on attacker-select."""
    best: tuple[float, Attacker] | None = None
    for name in ATTACKS:
        trial = try_attack(name, train, select, 2, seed)
        if trial.attacker is None:
            raise RuntimeError(f"{name} {trial.status}")
        said = _score(trial.attacker, select[0])
        _, value, _ = auc(said[select[1] == 1], said[select[1] == 0], 0.95)
        if best is None or value > best[0]:
            best = value, trial.attacker
    assert best is not None
    return best[1]


def _score(attacker: Attacker, z: NDArray[Any]) -> NDArray[np.float64]:
    return attacker.probabilities(z)[:, 1]
