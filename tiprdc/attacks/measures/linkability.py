"""Linkability: can two records of one person be matched by their features alone?

Of each person with several records in attacker-test, one record is the probe and one is in a
gallery of all such people. Rank 1 is how often the nearest record of the gallery is the same person
(chance: 1 / people). EER, the equal error rate, is the error at the distance threshold where false
matches and false non-matches are equally frequent (chance: 0.5; 0 matches all without error).

The distance is one of several, selected on attacker-select. The strongest normalises by how much
the records of one person differ (within-class covariance normalisation), fitted on attacker-train.

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

MIN_PEOPLE = 20
"""Fewest people with several records."""
MAX_PEOPLE = 2000
"""Most people in the gallery."""
_RESAMPLES = 200

Embedding = Callable[[NDArray[Any]], NDArray[np.float64]]
"""Features `[N, ...]` -> points `[N, P]` whose distances are compared."""


@dataclass(frozen=True)
class PersonFeatures:
    """Features `[N, ...]` of a split and the person of each record `[N]`."""

    z: NDArray[Any]
    person: NDArray[np.str_]


def record_pairs(person: NDArray[np.str_], seed: int) -> NDArray[np.intp]:
    """Two different records `[P, 2]` of each person with several, at most `MAX_PEOPLE` people."""
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
    return np.stack([pairs[n] for n in rng.permutation(len(pairs))[:MAX_PEOPLE]])


def linkability(
    train: PersonFeatures,
    select: PersonFeatures,
    test: PersonFeatures,
    confidence: float,
    seed: int,
    representation: str,
) -> tuple[Measure, ...]:
    """Rank 1 and EER on attacker-test; empty where too few people have several records.

    Args:
        train, select, test: The attackers' three splits.
        confidence: Of each one-sided bound.
        seed: Draws the two records of a person.
        representation: Recorded in the figures.
    """
    pairs = record_pairs(test.person, seed)
    if len(pairs) < MIN_PEOPLE:
        return ()
    embed = _select(_embeddings(train, seed), select, seed)
    distance = _distances(embed(test.z), pairs)
    correct = _nearest(distance, seed) == np.arange(len(pairs))
    rank = proportion(
        f"rank 1 among {len(pairs):,} people", correct, confidence,
        baseline=1 / len(pairs), representation=representation,
    )  # fmt: skip
    low, high = _bootstrap(distance, confidence, seed)
    eer = Measure(
        name="equal error rate (lower joins better)", about="", representation=representation,
        value=equal_error_rate(distance), low=low, high=high, baseline=0.5, people=len(pairs),
    )  # fmt: skip
    return rank, eer


def equal_error_rate(distance: NDArray[np.float64]) -> float:
    """EER, in [0, 1], of distances `[P, P]` between probes and gallery; genuine on the diagonal.

    Between two thresholds both error rates are interpolated linearly.
    """
    genuine = np.sort(np.diagonal(distance))
    impostors = np.sort(distance[~np.eye(len(distance), dtype=bool)])
    thresholds = np.unique(genuine)
    missed = 1 - np.searchsorted(genuine, thresholds, side="right") / len(genuine)
    matched = np.searchsorted(impostors, thresholds, side="right") / len(impostors)
    missed, matched = np.append(1.0, missed), np.append(0.0, matched)
    crossing = int(np.argmax(matched >= missed))
    if crossing == 0:
        return float((missed[-1] + matched[-1]) / 2)
    before, after = (
        missed[crossing - 1] - matched[crossing - 1],
        matched[crossing] - missed[crossing],
    )
    fraction = before / (before + after) if before + after else 0.5
    return float(matched[crossing - 1] + fraction * (matched[crossing] - matched[crossing - 1]))


def _embeddings(train: PersonFeatures, seed: int) -> list[Embedding]:
    """Candidates: half whitened; fully whitened with unit length; within-person normalised."""
    half, full = whiten(train.z, seed), whiten(train.z, seed, power=1.0)
    embeddings: list[Embedding] = [
        lambda z: half(z).astype(np.float64),
        lambda z: _unit_length(full(z).astype(np.float64)),
    ]
    pairs = record_pairs(train.person, seed)
    whitened = full(train.z).astype(np.float64)
    if len(pairs) >= max(MIN_PEOPLE, 2 * whitened.shape[1]):
        difference = whitened[pairs[:, 0]] - whitened[pairs[:, 1]]
        within = difference.T @ difference / (2 * len(pairs))
        values, axes = np.linalg.eigh(within)
        rotation = axes / np.sqrt(np.maximum(values, 1e-3 * max(float(values.max()), 1e-12)))
        embeddings.append(lambda z: np.asarray(full(z) @ rotation, dtype=np.float64))
    return embeddings


def _select(embeddings: list[Embedding], select: PersonFeatures, seed: int) -> Embedding:
    """The one of lowest EER on attacker-select; the last where too few there have two records."""
    pairs = record_pairs(select.person, seed)
    if len(pairs) < MIN_PEOPLE:
        return embeddings[-1]
    errors = [equal_error_rate(_distances(embed(select.z), pairs)) for embed in embeddings]
    return embeddings[int(np.argmin(errors))]


def _unit_length(z: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
    return np.asarray(z / length, dtype=np.float64)


def _distances(points: NDArray[np.float64], pairs: NDArray[np.intp]) -> NDArray[np.float64]:
    """Squared distances `[P, P]` of probes to the gallery."""
    probe, gallery = points[pairs[:, 0]], points[pairs[:, 1]]
    squares: NDArray[np.float64] = (probe**2).sum(1)[:, None] + (gallery**2).sum(1)[None]
    # Rounded, so that distances equal but for rounding errors are ties.
    return np.asarray(np.round(np.maximum(squares - 2 * probe @ gallery.T, 0), 9))


def _nearest(distance: NDArray[np.float64], seed: int) -> NDArray[np.intp]:
    """Number of the nearest record of the gallery `[P]`; ties are broken at random."""
    order = np.random.default_rng(seed).permutation(len(distance))
    return np.asarray(order[np.argmin(distance[:, order], axis=1)])


def _bootstrap(distance: NDArray[np.float64], confidence: float, seed: int) -> tuple[float, float]:
    """One-sided bounds of the EER, by resampling people with replacement."""
    rng, people = np.random.default_rng(seed), min(len(distance), 500)
    scale = np.sqrt(people / len(distance))
    estimate = equal_error_rate(distance)
    resampled = []
    for _ in range(_RESAMPLES):
        drawn = rng.integers(len(distance), size=people)
        genuine = np.diagonal(distance)[drawn]
        impostors = distance[drawn[:, None], drawn[None]]
        impostors = impostors[drawn[:, None] != drawn[None]]
        resampled.append(_approximate_eer(genuine, impostors))
    low, high = np.quantile(resampled, [1 - confidence, confidence])
    return (
        float(max(0.0, estimate + scale * (low - estimate))),
        float(min(1.0, estimate + scale * (high - estimate))),
    )


def _approximate_eer(genuine: NDArray[np.float64], impostors: NDArray[np.float64]) -> float:
    """EER at the nearest of 101 thresholds; faster than `equal_error_rate`."""
    genuine, impostors = np.sort(genuine), np.sort(impostors)
    thresholds = np.quantile(genuine, np.linspace(0, 1, 101))
    missed = 1 - np.searchsorted(genuine, thresholds, side="right") / len(genuine)
    matched = np.searchsorted(impostors, thresholds, side="right") / len(impostors)
    nearest = int(np.argmin(np.abs(missed - matched)))
    return float((missed[nearest] + matched[nearest]) / 2)
