"""Learning curves of attackers whose accuracy with ten times the people is known.

An attacker is ridge regression in closed form on the features and on functions of them. One Gram
matrix, added up over the people, serves every number of people and every attribute.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, stats

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
"""Ridge penalties relative to the mean variance of a feature; chosen on people for selection."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """An attacker fitted on ever more people, and the accuracy at the largest number of these.

    Args:
        kind: Source of the data.
        name: Attribute.
        features: What was released.
        attacker: What the attacker was.
        classes: C.
        people: Numbers of people that it was fitted on.
        correct: Whether it was right about each of the same test people, one `[N]` a number.
        accuracy: Accuracy on other people than those, per number `[len(people)]`.
    """

    kind: str
    name: str
    features: str
    attacker: str
    classes: int
    people: tuple[int, ...]
    correct: NDArray[np.bool_]
    accuracy: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Part:
    """People for one purpose: attacker's features `[N, M]` and classes of attributes `[N, A]`."""

    x: NDArray[np.float32]
    labels: NDArray[np.int64]


def ridge_curves(
    train: Part, select: Part, test: Part, final: Part, people: Sequence[int]
) -> Iterator[tuple[int, int, NDArray[np.bool_], NDArray[np.float64]]]:
    """Curves of every attribute: its column, its classes, `correct` and `accuracy` of `Curve`.

    Args:
        train: The first `people[i]` of them are fitted.
        select: Decide on the penalty, for each attribute and number of people.
        test, final: People whose decisions are returned, and people who only count.
        people: Increasing, the last at most the number of people in `train`.
    """
    attributes = train.labels.shape[1]
    classes = [int(train.labels[:, a].max()) + 1 for a in range(attributes)]
    targets = np.concatenate(
        [np.eye(c, dtype=np.float32)[train.labels[:, a]] for a, c in enumerate(classes)], axis=1
    )
    ends = np.cumsum(classes)[:-1]
    gram, cross, start = 0.0, 0.0, 0
    correct = [np.empty((len(people), len(test.x)), np.bool_) for _ in classes]
    accuracy = np.empty((attributes, len(people)))
    for i, stop in enumerate(people):
        x, y = train.x[start:stop], targets[start:stop]
        gram, cross, start = gram + x.T @ x, cross + x.T @ y, stop
        weights = _solutions(gram, cross, stop)
        shares = np.split(np.maximum(targets[:stop].mean(0), 1e-6), ends)
        scores = [[np.split(part.x @ w, ends, axis=1) for w in weights]
                  for part in (select, test, final)]  # fmt: skip
        for a, c in enumerate(classes):
            hits = [
                [np.argmax(score[a] / shares[a], axis=1) == part.labels[:, a] for score in of_part]
                for of_part, part in zip(scores, (select, test, final), strict=True)
            ]
            best = int(np.argmax([_balanced(hit, select.labels[:, a], c) for hit in hits[0]]))
            correct[a][i] = hits[1][best]
            accuracy[a, i] = _balanced(hits[2][best], final.labels[:, a], c)
    yield from zip(range(attributes), classes, correct, accuracy, strict=True)


def _solutions(
    gram: NDArray[np.float32], cross: NDArray[np.float32], people: int
) -> list[NDArray[np.float32]]:
    """Weights `[M, outputs]` for each penalty."""
    scale, identity = float(np.trace(gram)) / len(gram), np.eye(len(gram), dtype=np.float64)
    return [
        linalg.solve(gram + penalty * scale * identity, cross, assume_a="pos").astype(np.float32)
        for penalty in PENALTIES
    ]


def _balanced(hit: NDArray[np.bool_], labels: NDArray[np.int64], classes: int) -> float:
    return float(np.mean([hit[labels == k].mean() for k in range(classes)]))


def standardised(x: NDArray[np.float32], fitted: int) -> NDArray[np.float32]:
    """Features with mean 0 and variance 1 among the first `fitted` people, then a constant."""
    deviation = x[:fitted].std(0)
    # A feature that is constant among these people keeps its scale.
    scaled = (x - x[:fitted].mean(0)) / np.where(deviation > 1e-2, deviation, 1)
    return np.column_stack([scaled, np.ones(len(x))]).astype(np.float32)


def expanded(
    z: NDArray[np.float32],
    fitted: int,
    rng: np.random.Generator,
    waves: int = 500,
    products: int = 400,
) -> NDArray[np.float32]:
    """Features, products of pairs of them and random Fourier features `[N, M]`.

    Source: Rahimi and Recht, "Random features for large-scale kernel machines" (2007).
    """  # fmt: skip
    z = standardised(z, fitted)[:, :-1]
    first, second = np.triu_indices(z.shape[1])
    chosen = rng.permutation(len(first))[:products]
    frequencies = rng.normal(size=(z.shape[1], waves)) / np.sqrt(z.shape[1])
    fourier = np.cos(z @ frequencies.astype(np.float32) + rng.uniform(0, 2 * np.pi, waves))
    pairs = z[:, first[chosen]] * z[:, second[chosen]]
    return standardised(np.concatenate([z, pairs, fourier], axis=1).astype(np.float32), fitted)


def simulated(seed: int, people: Sequence[int], test: int) -> Iterator[Curve]:
    """Gaussian classes with means -mu and mu, and the attacker who estimates the mean.

    Each of many cases draws the number of features, the accuracy of the best attacker (for one
    case in four, no leak at all) and how the leak is spread. The accuracy of a direction w is known
    exactly: Phi(w.mu / |w|).
    """
    rng = np.random.default_rng([seed, len(people), test])
    for case in range(60):
        width = int(rng.choice([10, 30, 100, 300, 1000]))
        best = 0.5 if case % 4 == 0 else float(rng.uniform(0.52, 0.95))
        spread = rng.normal(size=width) * (np.arange(1, width + 1.0) ** -rng.uniform(0, 1))
        mu = spread / np.linalg.norm(spread) * stats.norm.ppf(best)
        truth = np.tile([-1.0, 1.0], test // 2)
        x = rng.normal(size=(len(truth), width)) + truth[:, None] * mu
        total, start = np.zeros(width), 0
        directions = []
        for stop in people:
            total = total + (stop - start) * mu + np.sqrt(stop - start) * rng.normal(size=width)
            directions.append(total / np.linalg.norm(total))
            start = stop
        w = np.stack(directions)
        yield Curve(
            kind="simulated: nothing" if best == 0.5 else "simulated: leak",
            name=f"case {seed}-{case}", features=f"Gaussian {width}, best {best:.2f}",
            attacker="means", classes=2, people=tuple(people),
            correct=np.sign(w @ x.T) == truth, accuracy=stats.norm.cdf(w @ mu),
        )  # fmt: skip
