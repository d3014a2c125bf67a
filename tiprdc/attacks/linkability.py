"""Linkability: can two records of one person be joined by their features alone?

Of each person with several records in attacker-test, one is the probe and one lies in a gallery of
all such people. Rank 1: how often the nearest in the gallery is the same person (a guess: 1 in as
many as there are). EER: the error where both kinds of error are equal, when two records are called
one person if they are near (a guess: 0.5; 0 joins all without a mistake).

Nearness is one of several distances, chosen on attacker-select; the strongest divides by how much
the records of one person differ (within-class covariance normalisation), learnt on attacker-train.

Source: ISO/IEC 19795-1 for rank 1 and EER; Hatch et al., "Within-class covariance normalization for
SVM-based speaker recognition" (2006).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.measure import proportion
from tiprdc.attacks.scaling import whiten
from tiprdc.formats.audit_report import Measure

FEWEST = 20
"""People with several records."""
MOST = 2000
"""People in the gallery."""
_RESAMPLES = 200

Look = Callable[[NDArray[Any]], NDArray[np.float64]]


@dataclass(frozen=True)
class Side:
    """Features `[N, ...]` of a split and whom each record is about `[N]`."""

    z: NDArray[Any]
    person: NDArray[np.str_]


def pairs_of(person: NDArray[np.str_], seed: int) -> NDArray[np.intp]:
    """Two different records `[P, 2]` of each person that has several, at most `MOST` people."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(person))
    _, count = np.unique(person, return_counts=True)
    by_person = np.argsort(person[order], kind="stable")
    ends = np.cumsum(count)
    pairs = [
        order[by_person[end - number : end][:2]]
        for end, number in zip(ends, count, strict=True)
        if number > 1
    ]
    if not pairs:
        return np.empty((0, 2), dtype=np.intp)
    return np.stack([pairs[n] for n in rng.permutation(len(pairs))[:MOST]])


def linkability(
    train: Side, select: Side, test: Side, confidence: float, seed: int, representation: str
) -> tuple[Measure, ...]:
    """Rank 1 and EER on attacker-test; nothing where too few people have several records.

    Args:
        train, select, test: The attackers' three splits.
        confidence: Of each one-sided bound.
        seed: Which two records of a person are taken.
        representation: Named in the figures.
    """
    pairs = pairs_of(test.person, seed)
    if len(pairs) < FEWEST:
        return ()
    look = _best(_looks(train, seed), select, seed)
    distance = _distances(look(test.z), pairs)
    right = _nearest(distance, seed) == np.arange(len(pairs))
    rank = proportion(
        f"rank 1 among {len(pairs):,} people", right, confidence,
        baseline=1 / len(pairs), representation=representation,
    )  # fmt: skip
    low, high = _bootstrap(distance, confidence, seed)
    eer = Measure(
        name="equal error rate (lower joins better)", about="", representation=representation,
        value=equal_error_rate(distance), low=low, high=high, baseline=0.5, people=len(pairs),
    )  # fmt: skip
    return rank, eer


def equal_error_rate(distance: NDArray[np.float64]) -> float:
    """EER, in [0, 1], of distances `[P, P]` between probes and gallery; the diagonal is genuine.

    Where the two error rates cross between two thresholds it is their mean there.
    """
    genuine = np.sort(np.diagonal(distance))
    others = np.sort(distance[~np.eye(len(distance), dtype=bool)])
    thresholds = np.unique(genuine)
    missed = 1 - np.searchsorted(genuine, thresholds, side="right") / len(genuine)
    joined = np.searchsorted(others, thresholds, side="right") / len(others)
    missed, joined = np.append(1.0, missed), np.append(0.0, joined)
    crossing = int(np.argmax(joined >= missed))
    if crossing == 0:
        return float((missed[-1] + joined[-1]) / 2)
    # Between two thresholds both rates move along a line.
    before, after = missed[crossing - 1] - joined[crossing - 1], joined[crossing] - missed[crossing]
    way = before / (before + after) if before + after else 0.5
    return float(joined[crossing - 1] + way * (joined[crossing] - joined[crossing - 1]))


def _looks(train: Side, seed: int) -> list[Look]:
    """Ways to look at features so that near means alike."""
    half, full = whiten(train.z, seed), whiten(train.z, seed, power=1.0)
    looks: list[Look] = [
        lambda z: half(z).astype(np.float64),
        lambda z: _unit(full(z).astype(np.float64)),
    ]
    pairs = pairs_of(train.person, seed)
    seen = full(train.z).astype(np.float64)
    if len(pairs) >= max(FEWEST, 2 * seen.shape[1]):
        difference = seen[pairs[:, 0]] - seen[pairs[:, 1]]
        within = difference.T @ difference / (2 * len(pairs))
        values, axes = np.linalg.eigh(within)
        turn = axes / np.sqrt(np.maximum(values, 1e-3 * max(float(values.max()), 1e-12)))
        looks.append(lambda z: np.asarray(full(z) @ turn, dtype=np.float64))
    return looks


def _best(looks: list[Look], select: Side, seed: int) -> Look:
    """The one that joins best on attacker-select; the last where nobody there has two records."""
    pairs = pairs_of(select.person, seed)
    if len(pairs) < FEWEST:
        return looks[-1]
    errors = [equal_error_rate(_distances(look(select.z), pairs)) for look in looks]
    return looks[int(np.argmin(errors))]


def _unit(z: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
    return np.asarray(z / length, dtype=np.float64)


def _distances(seen: NDArray[np.float64], pairs: NDArray[np.intp]) -> NDArray[np.float64]:
    """Squared distances `[P, P]` of probes to the gallery."""
    probe, gallery = seen[pairs[:, 0]], seen[pairs[:, 1]]
    squares: NDArray[np.float64] = (probe**2).sum(1)[:, None] + (gallery**2).sum(1)[None]
    # Rounded, so that what is equal but for rounding is a tie.
    return np.asarray(np.round(np.maximum(squares - 2 * probe @ gallery.T, 0), 9))


def _nearest(distance: NDArray[np.float64], seed: int) -> NDArray[np.intp]:
    """Place of the nearest in the gallery `[P]`; among equals chance decides."""
    order = np.random.default_rng(seed).permutation(len(distance))
    return np.asarray(order[np.argmin(distance[:, order], axis=1)])


def _bootstrap(distance: NDArray[np.float64], confidence: float, seed: int) -> tuple[float, float]:
    """One-sided bounds of the EER, people drawn again with replacement."""
    rng, people = np.random.default_rng(seed), min(len(distance), 500)
    scale = np.sqrt(people / len(distance))
    middle = equal_error_rate(distance)
    found = []
    for _ in range(_RESAMPLES):
        some = rng.integers(len(distance), size=people)
        genuine = np.diagonal(distance)[some]
        others = distance[some[:, None], some[None]]
        others = others[some[:, None] != some[None]]
        found.append(_rate(genuine, others))
    low, high = np.quantile(found, [1 - confidence, confidence])
    return (
        float(max(0.0, middle + scale * (low - middle))),
        float(min(1.0, middle + scale * (high - middle))),
    )


def _rate(genuine: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """EER to the nearest threshold, quickly."""
    genuine, others = np.sort(genuine), np.sort(others)
    thresholds = np.quantile(genuine, np.linspace(0, 1, 101))
    missed = 1 - np.searchsorted(genuine, thresholds, side="right") / len(genuine)
    joined = np.searchsorted(others, thresholds, side="right") / len(others)
    nearest = int(np.argmin(np.abs(missed - joined)))
    return float((missed[nearest] + joined[nearest]) / 2)
