"""The trivial alternatives beside a release: principal components with noise at the same attack.

The release and its alternatives meet the same simple attack, ridge regression on random features,
fitted on the same people. Alternatives are fitted on other people than the attack, as the release
was: on extractor-train or, where that is not known, on half of attacker-train. The attack would
learn nothing from people of whom LEACE erased every linear trace. The noise of an alternative is
the smallest of a bisection with which the attack does no better on it than on the release, on
attacker-select; what is reported is scored on attacker-test. A release that keeps no more than its
alternatives has gained nothing by training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from tiprdc.attacks.base import TrainingSet
from tiprdc.attacks.suite import ATTACKS, predict_all
from tiprdc.audit.evaluation.metrics import complete_mean
from tiprdc.audit.executor import Executor, failure
from tiprdc.audit.representations import Representations
from tiprdc.datasets.schema import Records
from tiprdc.formats.audit_plan import Plan
from tiprdc.formats.audit_report import Alternative
from tiprdc.models.linear_noise import fit_alternative, with_noise
from tiprdc.statistics.sampling import some_people
from tiprdc.statistics.scores import balanced_accuracy, kept_share

ATTACK = "ridge"
PEOPLE = 8000
"""Most records that the attack is fitted on."""
OWNERS = 20_000
"""Most records that an alternative is fitted on."""
WIDTH = 128
METHODS: tuple[Literal["pca", "leace"], ...] = ("pca", "leace")
_NOISE = (0.05, 12.8)
"""Range of the noise, in standard deviations of the features."""
_STEPS = 4
"""Steps of the bisection: they leave the noise within a factor of 1.4."""
_Labels = Mapping[str, NDArray[np.int64]]
Rows = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class People:
    """Records of a split, features of the release and labels.

    Args:
        x: Records as attacks read them `[N, ...]`.
        z: Released features `[N, D]`.
        labels: Class numbers of each attribute and task.
    """

    x: NDArray[Any]
    z: NDArray[Any]
    labels: _Labels

    def first(self, count: int) -> People:
        """The first of these people."""
        labels = {name: values[:count] for name, values in self.labels.items()}
        return People(x=self.x[:count], z=self.z[:count], labels=labels)


@dataclass(frozen=True, kw_only=True)
class AlternativeScore:
    """One set of features under the attack: balanced accuracy of each attribute and task."""

    method: Literal["release", "pca", "leace"]
    width: int
    noise: float
    people: int
    rates: dict[str, float]

    def report(
        self, plan: Plan, priors: Mapping[str, float], ceilings: Mapping[str, float]
    ) -> Alternative:
        """As `audit.json` holds it; `ceilings` has the tasks that the raw record tells.

        The mean is over unseen tasks, of which the alternatives know as little as the release.
        """
        kept = {
            name: kept_share(rate, ceilings[name], priors[name]) if name in ceilings else None
            for name, rate in self.rates.items()
            if name in plan.utility
        }
        return Alternative(
            method=self.method, width=self.width, noise=self.noise, attacker_people=self.people,
            hidden={name: self.rates[name] for name in plan.private}, kept=kept,
            mean_kept=complete_mean([kept[name] for name in kept if name not in plan.told]),
        )  # fmt: skip


def submit_alternatives(plan: Plan, represented: Representations) -> dict[str, Any]:
    """Method -> a task for its scores; empty if the plan has no alternatives."""
    if not plan.alternatives:
        return {}
    evidence, submit = represented.evidence, represented.executor.submit
    classes = {name: len(names) for name, names in {**plan.private, **plan.utility}.items()}
    pools = represented.pools
    owners, attackers = (None, None) if pools.members is not None else _halves(pools.fit.person)
    parts: tuple[tuple[str, Records, Rows | None], ...] = (
        ("fit", pools.fit, attackers),
        ("select", evidence.select, None),
        ("test", evidence.test, None),
        ("fit", pools.fit, owners) if pools.members is None else ("members", pools.members, None),
    )
    *people, owner = [
        submit(
            _people, represented.part(name)["raw"], represented.part(name)["released"],
            {target: records.labels[target] for target in classes}, rows,
        )
        for name, records, rows in parts
    ]  # fmt: skip
    private, seed = tuple(plan.private), plan.sample_seed
    release = submit(score_release, *people, classes, seed)
    return {
        "release": release,
        **{
            method: submit(
                score_alternative, method, release, owner, *people, private, classes, seed
            )
            for method in METHODS
        },
    }


def collect_alternatives(
    executor: Executor, submitted: Mapping[str, Any], deadline: float
) -> tuple[AlternativeScore, ...] | str:
    """The release and its alternatives, or the reason why there are none."""
    outcomes = dict(executor.collect(submitted, deadline, "alternatives", lambda key: 1.0))
    failed = [outcome for outcome in outcomes.values() if isinstance(outcome, Exception)]
    if failed:
        return failure(failed[0])
    if not outcomes:
        return "not in audit.alternatives"
    return (outcomes["release"][0], *(outcomes[method] for method in METHODS))


def _halves(person: NDArray[np.str_]) -> tuple[Rows, Rows]:
    """Rows of the records of one half of the people, and of the other."""
    first = some_people(person, len(person) // 2, np.random.default_rng(0))
    return first, np.setdiff1d(np.arange(len(person)), first)


def _people(x: NDArray[Any], z: NDArray[Any], labels: _Labels, rows: Rows | None) -> People:
    """These records, or some rows of them."""
    if rows is None:
        return People(x=x, z=z, labels=labels)
    return People(x=x[rows], z=z[rows], labels={name: labels[name][rows] for name in labels})


def score_release(
    train: People, select: People, test: People, classes: Mapping[str, int], seed: int
) -> tuple[AlternativeScore, dict[str, float]]:
    """The release on attacker-test, and its rates on attacker-select."""
    torch.set_num_threads(1)
    fitted = train.first(PEOPLE)
    on_select, on_test = _rates(fitted.z, select.z, test.z, fitted, select, test, classes, seed)
    width = int(np.prod(train.z.shape[1:]))
    scored = AlternativeScore(
        method="release", width=width, noise=0.0, people=len(fitted.z), rates=on_test
    )
    return scored, on_select


def score_alternative(
    method: Literal["pca", "leace"],
    release: tuple[AlternativeScore, dict[str, float]],
    owner: People,
    train: People,
    select: People,
    test: People,
    private: tuple[str, ...],
    classes: Mapping[str, int],
    seed: int,
) -> AlternativeScore:
    """An alternative with the least noise at which the attack does no better than on the release.

    Args:
        method: Principal components, or these after LEACE of the private attributes.
        release: From `score_release`.
        owner: Whom the alternative is fitted on; the first `OWNERS` are used.
        train, select, test: The attackers' people; of `train` the first `PEOPLE` are used.
        private: Private attributes.
        classes: Attribute or task -> K.
        seed: Of the components, the noise and the attack.
    """
    torch.set_num_threads(1)
    owner, fitted, allowed = owner.first(OWNERS), train.first(PEOPLE), release[1]
    u = np.stack([owner.labels[name] for name in private], axis=1)
    linear = fit_alternative(method, owner.x, WIDTH, u, [classes[n] for n in private], seed)
    clean = [linear.features(part.x) for part in (fitted, select, test)]
    low, high = np.log(_NOISE)
    best: AlternativeScore | None = None
    for step in range(_STEPS):
        noise = float(np.exp((low + high) / 2))
        z = [
            with_noise(part, noise, np.random.default_rng(seed + number))
            for number, part in enumerate(clean)
        ]
        on_select, on_test = _rates(z[0], z[1], z[2], fitted, select, test, classes, seed)
        hides = all(on_select[name] <= allowed[name] for name in private)
        if hides or (step == _STEPS - 1 and best is None):
            best = AlternativeScore(
                method=method, width=linear.width, noise=noise, people=len(fitted.z), rates=on_test
            )
        low, high = (low, np.log(noise)) if hides else (np.log(noise), high)
    assert best is not None
    return best


def _rates(
    z_train: NDArray[Any],
    z_select: NDArray[Any],
    z_test: NDArray[Any],
    train: People,
    select: People,
    test: People,
    classes: Mapping[str, int],
    seed: int,
) -> tuple[dict[str, float], dict[str, float]]:
    """Balanced accuracy of each attribute and task on attacker-select and on attacker-test."""
    data = TrainingSet(z=z_train, labels=train.labels, classes=classes)
    attackers = ATTACKS[ATTACK].fit_targets(data, tuple(classes), seed, 1)
    on_select, on_test = (
        {
            name: balanced_accuracy(predicted, part.labels[name], classes[name])
            for name, predicted in predict_all(ATTACK, attackers, z).items()
        }
        for z, part in ((z_select, select), (z_test, test))
    )
    return on_select, on_test
