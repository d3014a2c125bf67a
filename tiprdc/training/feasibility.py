"""Check on the labels alone, before training, whether an attribute can be hidden and a task kept.

From features that keep a task y entirely an attacker recovers y, and from y the private attribute
u, as well as y predicts u. No training hides u better than this *label floor*. In bits, for any
features z:

    I(z; u) >= I(u; y)                          if z keeps y entirely
    I(z; y) <= H(y | u) + I(z; u)               so without any u, at most H(y) - I(u; y)

Both lines are the data processing inequality and the chain rule.

Source: Chen et al. 2024 (MaSS), who check budgets against entropies; Miller 1955 for the bias
correction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiprdc.datasets.schema import Schema
from tiprdc.statistics.binomial import Interval, interval, prior
from tiprdc.statistics.label_floor import recognised_from_labels
from tiprdc.statistics.sampling import balanced_sample, one_a_person


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A private attribute, and one task or all tasks together.

    Args:
        private: Name of u.
        tasks: Names of the tasks to keep: y, or several as one.
        people: Number of people behind the entropies, one record each.
        entropy_private, entropy_task: H(u) and H(y) in bits, with Miller's correction.
        information: I(u; y) in bits, corrected likewise, >= 0.
        bias: Mean excess of the plug-in estimate of I(u; y), in bits; already subtracted.
        floor: Balanced accuracy of an attacker who knows y, on people it was not fitted on.
        limit: Allowed balanced accuracy: prior plus budget.
    """

    private: str
    tasks: tuple[str, ...]
    people: int
    entropy_private: float
    entropy_task: float
    information: float
    bias: float
    floor: Interval
    limit: float

    @property
    def feasible(self) -> bool:
        """Whether both are possible: the lower bound of the floor is not above the limit."""
        return self.floor.low <= self.limit

    @property
    def max_task_bits(self) -> float:
        """Most bits of y that features without any u can keep: H(y | u)."""
        return max(0.0, self.entropy_task - self.information)

    def __str__(self) -> str:
        """Why both are impossible together, or that the labels allow both."""
        u, y = self.private, _joined(self.tasks)
        floor, verb = self.floor, "cannot" if not self.feasible else "can, by the labels,"
        return (
            f"hiding {u} and keeping {y} whole {verb} both be met: {y} alone predicts {u} "
            f"with a balanced accuracy of {floor.value:.3f} (95 % bounds {floor.low:.3f} and "
            f"{floor.high:.3f}), and {self.limit:.3f} is allowed. They share "
            f"{self.information:.3f} of the {self.entropy_private:.3f} bits of {u} "
            f"({self.people:,} people, bias of {self.bias:.1g} subtracted). Features without any "
            f"{u} keep at most {self.max_task_bits:.3f} of {self.entropy_task:.3f} bits of {y}."
        )


def assess(
    labels: Mapping[str, NDArray[np.int64]],
    person: NDArray[np.str_],
    schema: Schema,
    budget: float,
) -> tuple[Pair, ...]:
    """Every private attribute against every task, and against all tasks together.

    Args:
        labels: Attribute -> class numbers `[N]`, of extractor-train.
        person: Person ids `[N]`; one record of each person is used.
        schema: Which attributes are private, and which are tasks.
        budget: Balanced accuracy above the best guess that an attacker may reach.
    """
    rows = one_a_person(person, np.random.default_rng(0))
    columns = {name: labels[name][rows] for name in (*schema.private, *schema.utility)}
    joint = [schema.utility] if len(schema.utility) > 1 else []
    task_sets = [*((task,) for task in schema.utility), *joint]
    return tuple(
        _pair(u, columns[u], {task: columns[task] for task in tasks}, schema.classes(u), budget)
        for u in schema.private
        for tasks in task_sets
    )


def infeasible(pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
    """The impossible pairs; all tasks together only if no single task is impossible."""
    single = [pair for pair in pairs if len(pair.tasks) == 1 and not pair.feasible]
    named = {pair.private for pair in single}
    return (
        *single,
        *(p for p in pairs if len(p.tasks) > 1 and not p.feasible and p.private not in named),
    )


def entropy(values: NDArray[np.int64]) -> float:
    """H in bits of class numbers `[N]`: plug-in, plus Miller's (K - 1) / 2N nats for K classes
    that occur."""
    counts = np.unique(values, return_counts=True)[1]
    shares = counts / len(values)
    return float(-(shares * np.log2(shares)).sum()) + _correction(len(counts) - 1, len(values))


def information(u: NDArray[np.int64], y: NDArray[np.int64]) -> tuple[float, float]:
    """I(u; y) in bits, corrected, >= 0; and the subtracted bias of the plug-in estimate.

    Args:
        u, y: Class numbers `[N]`.
    """
    joint = _joint([u, y])
    counts = [len(np.unique(values)) for values in (joint, u, y)]
    bias = _correction(counts[0] - counts[1] - counts[2] + 1, len(u))
    return max(0.0, entropy(u) + entropy(y) - entropy(joint)), bias


def _correction(cells: int, people: int) -> float:
    return cells / (2 * people * math.log(2))


def _joint(values: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """One number `[N]` for each combination of class numbers that occurs."""
    number = np.unique(np.stack(values, axis=1), axis=0, return_inverse=True)[1]
    return number.reshape(-1).astype(np.int64)


def _pair(
    private: str,
    u: NDArray[np.int64],
    tasks: Mapping[str, NDArray[np.int64]],
    classes: int,
    budget: float,
) -> Pair:
    y = _joint(list(tasks.values()))
    mutual_information, bias = information(u, y)
    return Pair(
        private=private,
        tasks=tuple(tasks),
        people=len(u),
        entropy_private=entropy(u),
        entropy_task=entropy(y),
        information=mutual_information,
        bias=bias,
        floor=_floor(u, tasks, classes),
        limit=min(1.0, prior(classes) + budget),
    )


def _floor(u: NDArray[np.int64], tasks: Mapping[str, NDArray[np.int64]], classes: int) -> Interval:
    """Accuracy of an attacker fitted on half of the people, on a balanced sample of the others.

    The people come in random order; each half has half of every class.
    """
    by_class = np.argsort(u, kind="stable")
    train, test = by_class[::2], by_class[1::2]
    rows = test[balanced_sample(u[test], test.astype(np.str_), classes, seed=0)]
    if not len(rows):
        return Interval(prior(classes), 0.0, 1.0)
    correct = recognised_from_labels(
        {task: values[train] for task, values in tasks.items()}, u[train],
        {task: values[rows] for task, values in tasks.items()}, u[rows], classes,
    )  # fmt: skip
    return interval(correct, len(rows))


def _joined(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
