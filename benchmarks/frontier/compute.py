"""Computes points: the trivial alternatives of a data set, attacked and probed by ridge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.frontier.people import Group, Population
from benchmarks.frontier.points import Point
from benchmarks.frontier.scores import Rate, balanced, kept
from tiprdc.attacks.base import TrainingSet
from tiprdc.attacks.suite import ATTACKS, predict_classes
from tiprdc.models.linear_noise import Alternative, LinearMethod, fit_alternative

ATTACK = "ridge"
CEILINGS = {"image": ("residual", "ridge"), "table": ("residual", "ridge"), "text": ("ridge",)}
TOLD = 0.6
"""A task counts if the raw record tells it with this balanced accuracy, between two classes; among
K classes, with the same share of the way from a guess to certainty."""


def ceilings(people: Population, seed: int) -> dict[str, Rate]:
    """Task -> the strongest probe on raw records, for the tasks that the raw record tells."""
    best: dict[str, tuple[float, Rate]] = {}
    for attack in CEILINGS[people.schema.modality]:
        z = {name: group.x for name, group in _groups(people).items()}
        for name, (select, rate) in _rates(people, z, attack, seed).items():
            if name not in best or select > best[name][0]:
                best[name] = select, rate
    return {
        name: rate
        for name, (_, rate) in best.items()
        if name != people.private and rate.value >= _told(people.classes[name])
    }


def alternatives(
    people: Population,
    ceiling: dict[str, Rate],
    methods: Sequence[LinearMethod],
    widths: Sequence[int],
    noises: Sequence[float],
    seed: int,
) -> Iterator[Point]:
    """A point for each method, width and noise."""
    u = people.members.labels[people.private]
    for method in methods:
        for width in widths:
            linear = fit_alternative(
                method, people.members.x, width, u, people.classes[people.private], seed
            )
            for noise in noises:
                z = _features(people, linear, noise, seed)
                yield point(people, ceiling, z, str(method), linear.width, noise, seed)


def point(
    people: Population,
    ceiling: dict[str, Rate],
    z: dict[str, NDArray[Any]],
    method: str,
    width: int,
    noise: float | None,
    seed: int,
) -> Point:
    """Attack and probe the features of `train`, `select` and `test`."""
    rates = {name: rate for name, (_, rate) in _rates(people, z, ATTACK, seed).items()}
    hidden, priors = rates[people.private], {n: 1 / k for n, k in people.classes.items()}
    share = kept({name: rates[name] for name in ceiling}, ceiling, priors)
    named = [name for name in people.named if name in ceiling]
    of_named = kept({n: rates[n] for n in named}, ceiling, priors).value if named else None
    low, high = hidden.bounds
    share_low, share_high = share.bounds
    return Point(
        dataset=people.schema.dataset, data=people.schema.digest[:12], private=people.private,
        method=method, features=width, noise=noise, attack=ATTACK, people=people.train.people,
        hidden=hidden.value, hidden_low=low, hidden_high=high, prior=priors[people.private],
        kept=share.value, kept_low=share_low, kept_high=share_high, tasks=len(ceiling),
        named=of_named, test_people=people.test.people, source="computed",
    )  # fmt: skip


def _groups(people: Population) -> dict[str, Group]:
    return {"train": people.train, "select": people.select, "test": people.test}


def _features(
    people: Population, linear: Alternative, noise: float, seed: int
) -> dict[str, NDArray[Any]]:
    groups = enumerate(_groups(people).items())
    return {name: linear.features(group.x, noise, seed + n) for n, (name, group) in groups}


def _rates(
    people: Population, z: dict[str, NDArray[Any]], attack: str, seed: int
) -> dict[str, tuple[float, Rate]]:
    """Attribute -> balanced accuracy on attacker-select, and its rate on attacker-test."""
    data = TrainingSet(z=z["train"], labels=people.train.labels, classes=people.classes)
    attackers = ATTACKS[attack].fit_targets(data, tuple(people.classes), seed, 1)
    results = {}
    for name, classes in people.classes.items():
        select, test = (
            _rate(group, name, classes, predict_classes(attackers[name], features))
            for group, features in ((people.select, z["select"]), (people.test, z["test"]))
        )
        results[name] = select.value, test
    return results


def _rate(group: Group, name: str, classes: int, predicted: NDArray[np.int64]) -> Rate:
    _, person = np.unique(group.person, return_inverse=True)
    truth = group.labels[name]
    return balanced(predicted == truth, truth, classes, person.reshape(-1))


def _told(classes: int) -> float:
    return 1 / classes + (TOLD - 0.5) / 0.5 * (1 - 1 / classes)
