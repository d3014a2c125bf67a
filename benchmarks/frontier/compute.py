"""Computes points: features of a data set, attacked and probed by the suite's scalable attacks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.frontier.people import Group, Population
from benchmarks.frontier.points import Point
from benchmarks.frontier.scores import Rate, balanced, kept
from tiprdc.attacks.base import TrainingSet
from tiprdc.attacks.scaling import standardise
from tiprdc.attacks.suite import ATTACKS, predict_all
from tiprdc.models.linear_noise import LinearMethod, fit_alternative, with_noise
from tiprdc.runtime.session import open_session

PROBES = {
    "image": ("residual", "ridge"),
    "table": ("residual", "ridge", "gradient_boosting"),
    "text": ("ridge", "bag_of_tokens"),
}
"""Probes of the raw record."""
COMPONENTS, COMPONENTS_PROBE = 256, {"image": "residual", "table": "ridge", "text": "ridge"}
"""One more probe of the raw record reads so many principal components of it."""
TOLD = 0.6
"""A task counts if the raw record tells it with this balanced accuracy, between two classes; among
K classes, with the same share of the way from a guess to certainty."""
_BATCH = 512


@dataclass(frozen=True)
class Result:
    """The attack on one attribute that was best on attacker-select.

    Args:
        attack: Its name.
        select: Balanced accuracy on attacker-select.
        test: On attacker-test.
    """

    attack: str
    select: float
    test: Rate


def ceilings(people: Population, seed: int) -> dict[str, Result]:
    """Task -> the strongest probe on raw records, for the tasks that the raw record tells."""
    groups = _groups(people)
    best = _attack(
        people, {name: g.x for name, g in groups.items()}, PROBES[people.schema.modality], seed,
        fresh=False,
    )  # fmt: skip
    linear = fit_alternative("pca", people.members.x, COMPONENTS, None, (), seed)
    z = {name: linear.features(group.x) for name, group in groups.items()}
    probe = COMPONENTS_PROBE[people.schema.modality]
    for name, result in _attack(people, z, (probe,), seed, fresh=False).items():
        if result.select > best[name].select:
            best[name] = result
    return {
        name: result
        for name, result in best.items()
        if name != people.private and result.test.value >= _told(people.classes[name])
    }


def alternatives(
    people: Population,
    ceiling: Mapping[str, Result],
    methods: Sequence[LinearMethod],
    widths: Sequence[int],
    noises: Sequence[float],
    attacks: Sequence[str],
    seed: int,
    known: Collection[tuple[str, ...]] = (),
) -> Iterator[Point]:
    """A point for each method, width and noise.

    Args:
        people: The data set.
        ceiling: From `ceilings`.
        methods, widths, noises: The grid; a width that records do not have is cut to what they
            have.
        attacks: Names of attacks of the suite.
        seed: Of components, noise and attacks.
        known: Keys of points that are not computed again.
    """
    u = people.members.labels[people.private]
    for method in methods:
        done = set(known)
        for width in widths:
            linear = fit_alternative(
                method, people.members.x, width, u, people.classes[people.private], seed
            )
            clean = {n: linear.features(g.x) for n, g in _groups(people).items()}
            yield from noisy_points(
                people, ceiling, clean, str(method), noises, attacks, seed, known=done
            )


def released(people: Population, model: Path) -> dict[str, NDArray[Any]]:
    """Features of an exported extractor, each with standard deviation 1.

    Args:
        people: Whose records.
        model: The ONNX file, of the project's own release.
    """
    session = open_session(model)
    z = {}
    for name, group in _groups(people).items():
        parts = np.array_split(group.raw, max(1, -(-len(group.raw) // _BATCH)))
        z[name] = np.concatenate([session.run(["z"], {"x": part})[0] for part in parts])
    scaling = standardise(z["train"])
    return {name: scaling(values) for name, values in z.items()}


def noisy_points(
    people: Population,
    ceiling: Mapping[str, Result],
    clean: Mapping[str, NDArray[Any]],
    method: str,
    noises: Sequence[float],
    attacks: Sequence[str],
    seed: int,
    known: Collection[tuple[str, ...]] = (),
) -> Iterator[Point]:
    """A point for each noise on the same features of `train`, `select` and `test`."""
    done = set(known)
    for noise in noises:
        width = int(np.prod(clean["train"].shape[1:]))
        key = Point.key_of(
            people.name, people.schema.digest[:12], people.private, method, width, noise
        )
        if key in done:
            continue
        done.add(key)
        rng = np.random.default_rng([seed, width])
        z = {name: with_noise(values, noise, rng) for name, values in clean.items()}
        yield _point(people, ceiling, z, method, noise, _attack(people, z, attacks, seed))


def _point(
    people: Population,
    ceiling: Mapping[str, Result],
    z: Mapping[str, NDArray[Any]],
    method: str,
    noise: float,
    results: Mapping[str, Result],
) -> Point:
    hidden, priors = results[people.private], {n: 1 / k for n, k in people.classes.items()}

    def share(names: Collection[str]) -> Rate:
        values = {name: results[name].test for name in names}
        return kept(values, {name: ceiling[name].test for name in names}, priors)

    of_all, named = share(ceiling), [name for name in people.named if name in ceiling]
    low, high = hidden.test.bounds
    share_low, share_high = of_all.bounds
    return Point(
        dataset=people.name, data=people.schema.digest[:12], private=people.private,
        method=method, features=int(np.prod(z["train"].shape[1:])), noise=noise,
        attack=hidden.attack, people=people.train.people, hidden=hidden.test.value,
        hidden_low=low, hidden_high=high, prior=priors[people.private], kept=of_all.value,
        kept_low=share_low, kept_high=share_high, tasks=len(ceiling),
        named=share(named).value if named else None, test_people=people.test.people,
        source="computed",
    )  # fmt: skip


def _groups(people: Population) -> dict[str, Group]:
    return {"train": people.train, "select": people.select, "test": people.test}


def _attack(
    people: Population,
    z: Mapping[str, NDArray[Any]],
    attacks: Sequence[str],
    seed: int,
    fresh: bool = True,
) -> dict[str, Result]:
    """Attribute -> the result of the attack that was best on attacker-select.

    Args:
        people: The data set.
        z: What attacks read of `train`, `select` and `test`.
        attacks: Names of attacks of the suite.
        seed: Of the attacks.
        fresh: Whether each attack is fitted on attacker-train alone, too. From the people whose
            traces were erased an attack learns nothing of what is left in others.
    """
    best: dict[str, Result] = {}
    pools = (0, len(people.members.x)) if fresh else (0,)
    for first, attack in product(pools, attacks):
        labels = {name: values[first:] for name, values in people.train.labels.items()}
        data = TrainingSet(z=z["train"][first:], labels=labels, classes=people.classes)
        attackers = ATTACKS[attack].fit_targets(data, tuple(people.classes), seed, 1)
        on_select, on_test = (
            predict_all(attack, attackers, z[part]) for part in ("select", "test")
        )
        for name, classes in people.classes.items():
            select = _rate(people.select, name, classes, on_select[name])
            test = _rate(people.test, name, classes, on_test[name])
            if name not in best or select.value > best[name].select:
                best[name] = Result(attack, select.value, test)
    return best


def _rate(group: Group, name: str, classes: int, predicted: NDArray[np.int64]) -> Rate:
    _, person = np.unique(group.person, return_inverse=True)
    truth = group.labels[name]
    return balanced(predicted == truth, truth, classes, person.reshape(-1))


def _told(classes: int) -> float:
    return 1 / classes + (TOLD - 0.5) / 0.5 * (1 - 1 / classes)
